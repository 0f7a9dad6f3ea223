"""The lock as a file: one line an artifact, YAML for everybody, strict when it is read."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import yaml

from servestack.errors import SpecError
from servestack.resolve.lock import Lock, LockedArtifact, dump_lock, read_lock, write_lock

ARTIFACT = LockedArtifact(
    uri="models:/iris@production",
    version="4",
    source="s3://bucket/ä b",
    sha256="ab" * 32,
    size_bytes=7,
    signature={"inputs": [{"name": "x: #", "type": "double"}]},
)
LOCK = Lock("prod", {"iris": {"iris": ARTIFACT}, "b": {"x": ARTIFACT, "a": ARTIFACT}})


def test_round_trip_and_meaning_as_yaml(tmp_path: Path) -> None:
    file = tmp_path / "prod.lock.yaml"
    assert write_lock(file, LOCK) is True
    assert write_lock(file, LOCK) is False
    assert read_lock(file, "prod") == LOCK
    data = yaml.safe_load(file.read_text())
    assert data["models"]["iris"]["iris"]["signature"] == ARTIFACT.signature
    assert list(data["models"]) == ["b", "iris"]


def test_a_missing_lock_is_empty(tmp_path: Path) -> None:
    assert read_lock(tmp_path / "none", "prod") == Lock("prod")


LINES = dump_lock(LOCK).splitlines()


@pytest.mark.parametrize(
    ("lines", "line", "words"),
    [
        ([*LINES[:5], "<<<<<<< HEAD", *LINES[5:]], 6, "merge conflict"),
        ([*LINES[:3], "environment: dev", *LINES[4:]], 4, "must be `environment: prod`"),
        ([*LINES, LINES[-2]], 11, "written twice"),
        ([*LINES, LINES[-1]], 11, "written twice"),
        ([*LINES, "    c: {"], 11, "not a line of a lock"),
        ([*LINES, "    c: {broken}"], 11, "not valid JSON"),
        ([*LINES, '    c: {"version": "1"}'], 11, "lacks the key 'uri'"),
        ([*LINES, '    c: {"uri": "a", "sha256": "xyz"}'], 11, "64 hexadecimal"),
        ([*LINES, '    c: {"uri": "a", "wibble": 1}'], 11, "unknown key 'wibble'"),
    ],
)
def test_what_is_not_a_lock_is_told_at_its_line(
    tmp_path: Path, lines: list[str], line: int, words: str
) -> None:
    file = tmp_path / "prod.lock.yaml"
    file.write_text("\n".join(lines) + "\n")
    with pytest.raises(SpecError) as caught:
        read_lock(file, "prod")
    (problem,) = caught.value.problems
    assert problem.location is not None
    assert (problem.id, problem.location.line) == ("SRV212", line)
    assert words in problem.message
    assert "servestack lock prod" in problem.hint


def test_a_full_disk_leaves_the_lock_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "prod.lock.yaml"
    write_lock(file, LOCK)
    before = file.read_text()

    def full(*arguments: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(SpecError, match=r"SRV213 .*No space left"):
        write_lock(file, Lock("prod", {"other": {"other": ARTIFACT}}))
    assert file.read_text() == before
    assert list(tmp_path.iterdir()) == [file]
