"""What an archive is named after, and what is left of a build that is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tools.images import recipe as module
from tools.images.recipe import Recipe

from tests.support.projects import REPOSITORY


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one image in it."""
    monkeypatch.setattr(module, "REPOSITORY", tmp_path)
    (tmp_path / "package").mkdir()
    for file in ("Containerfile", "Base", "package/code.py", "other.py"):
        (tmp_path / file).write_text(file)
    return tmp_path


def key() -> str:
    base = Recipe("base", "1", "Base")
    return Recipe("image", "1", "Containerfile", ("package",), {"A": "1"}, {"BASE": base}).key(
        with_bases=True
    )


@pytest.mark.parametrize("file", ["Containerfile", "Base", "package/code.py", "package/new.py"])
def test_an_ingredient_changes_the_name(tree: Path, file: str) -> None:
    before = key()
    (tree / file).write_text("changed")
    assert key() != before


@pytest.mark.parametrize("file", ["other.py", "package/__pycache__/code.pyc", "package/.cache/x"])
def test_anything_else_does_not(tree: Path, file: str) -> None:
    before = key()
    (tree / file).parent.mkdir(exist_ok=True)
    (tree / file).write_text("changed")
    os.utime(tree / "package/code.py", (1, 1))
    assert key() == before


def test_the_build_sees_the_ingredients_alone(tree: Path, tmp_path: Path) -> None:
    (tree / "package/__pycache__").mkdir()
    (tree / "package/__pycache__/code.pyc").touch()
    context = tmp_path / "context"
    context.mkdir()
    Recipe("image", "1", "Containerfile", ("package",)).fill_context(context)
    files = {str(path.relative_to(context)) for path in context.rglob("*") if path.is_file()}
    assert files == {"Containerfile", "package/code.py"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root builds without Docker")
def test_nothing_is_left_of_a_killed_build(tmp_path: Path) -> None:
    """Neither its mounts nor its processes, though nobody could clean up."""
    (tmp_path / "mounted").mkdir()
    build = f"mount -t tmpfs none {tmp_path}/mounted && tail -f {tmp_path}/log & wait"
    program = (
        "from pathlib import Path; from tools.images.private import run_privately; "
        f"run_privately(['sh', '-c', {build!r}], Path({str(tmp_path)!r}))"
    )
    starter = subprocess.Popen([sys.executable, "-c", program], cwd=REPOSITORY)
    try:
        wait_for(lambda: processes_about(tmp_path) >= 3)
    finally:
        starter.kill()
        starter.wait()
    wait_for(lambda: processes_about(tmp_path) == 0)
    assert str(tmp_path) not in Path("/proc/mounts").read_text()


def processes_about(folder: Path) -> int:
    count = 0
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            count += os.fsencode(folder) in file.read_bytes()
        except OSError:
            continue
    return count


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("what was waited for did not come")
        time.sleep(0.05)
