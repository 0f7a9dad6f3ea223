"""What is left in the cache of tools while one is built."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from tools import install


@dataclass(frozen=True)
class Script:
    """A tool that is made at once."""

    name: str

    def key(self) -> str:
        return "1"

    def build(self, target: Path) -> None:
        (target / self.name).write_text("#!/bin/sh\n")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; one tool's name begins the other's."""
    monkeypatch.setattr(install, "CACHE", tmp_path)
    monkeypatch.setattr(install, "TOOLS", {name: Script(name) for name in ("etcd-3.6", "etcd")})
    return tmp_path


def test_a_tool_whose_name_begins_anothers_leaves_the_other_alone(cache: Path) -> None:
    other = install.install("etcd-3.6")
    unfinished = cache / ".etcd-3.6~half"
    unfinished.mkdir()
    install.install("etcd")
    assert other.exists()
    assert unfinished.exists()


def test_what_a_killed_build_has_left_goes_with_the_next(cache: Path) -> None:
    abandoned = cache / ".etcd~half"
    abandoned.mkdir()
    assert install.install("etcd").exists()
    assert not abandoned.exists()


def test_what_no_test_runs_is_not_built_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def note(name: str) -> Path:
        asked.append(name)
        return Path(name)

    monkeypatch.setattr(install, "install", note)
    monkeypatch.setattr(install, "_apt_install_missing", lambda names: None)
    assert install.main([]) == 0
    assert {"prometheus-operator", "prometheus-adapter"} <= set(asked)
    assert not {"keda", "keda-adapter", "npm"} & set(asked)
    assert install.main(["keda"]) == 0
    assert asked[-1] == "keda"
