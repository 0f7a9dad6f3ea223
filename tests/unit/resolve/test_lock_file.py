"""The lock as a file: one line an artifact, YAML for everybody, strict when it is read."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

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


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@example('\x7f\x85\x9b\u2028\u2029\ufeff\ufffe\uffff\ud800 \\ " \U0001f600')
@given(st.text(st.characters()))
def test_any_text_is_read_back_and_means_the_same_as_yaml(tmp_path: Path, text: str) -> None:
    file = tmp_path / "prod.lock.yaml"
    artifact = LockedArtifact("models:/a/1", source=f"s3://{text}")
    write_lock(file, Lock("prod", {"a": {"a": artifact}}))
    assert read_lock(file, "prod").models["a"]["a"] == artifact
    read = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert read["models"]["a"]["a"]["source"] == artifact.source


@pytest.mark.parametrize("name", ["on", "no", "null", "true", "y"])
def test_a_name_that_yaml_takes_for_something_else(tmp_path: Path, name: str) -> None:
    file = tmp_path / "prod.lock.yaml"
    lock = Lock("prod", {name: {name: ARTIFACT}})
    write_lock(file, lock)
    assert read_lock(file, "prod") == lock
    assert list(yaml.safe_load(file.read_text())["models"]) == [name]


def test_a_lock_without_models(tmp_path: Path) -> None:
    file = tmp_path / "prod.lock.yaml"
    write_lock(file, Lock("prod"))
    assert read_lock(file, "prod") == Lock("prod")
    assert yaml.safe_load(file.read_text())["models"] == {}


def test_what_is_no_text_is_written_anew(tmp_path: Path) -> None:
    file = tmp_path / "prod.lock.yaml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(SpecError, match="SRV211"):
        read_lock(file, "prod")
    assert write_lock(file, LOCK) is True
    assert read_lock(file, "prod") == LOCK


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
        ([*LINES, "    c: x"], 11, "not a line of a lock"),
        ([*LINES, "    c: {broken}"], 11, "not valid JSON"),
        ([*LINES, '    c: {"version": "1"}'], 11, "missing required field `uri`"),
        ([*LINES, '    c: {"uri": "a", "sha256": "xyz"}'], 11, "64 hexadecimal"),
        ([*LINES, '    c: {"uri": "a", "wibble": 1}'], 11, "unknown field `wibble`"),
        ([*LINES, '    c: {"uri": "a", "uri": "b"}'], 11, "a key twice"),
        (
            [*LINES, '    c: {"uri": "a", "version": 1}'],
            11,
            "Expected `str`, got `int` - at `$.version`",
        ),
        (
            [*LINES, '    c: {"uri": "a", "sizeBytes": "7"}'],
            11,
            "Expected `int`, got `str` - at `$.sizeBytes`",
        ),
        ([*LINES, '    c: {"uri": "a", "sizeBytes": -7}'], 11, "`int` >= 0 - at `$.sizeBytes`"),
        ([*LINES, '    c: {"uri": "a", "signature": []}'], 11, "got `array` - at `$.signature`"),
        ([*LINES, '    c: {"uri": "a", "signature": ' + "[" * 99999 + "}"], 11, "not valid JSON"),
        ([*LINES, '    c: {"uri": "a", "sizeBytes": ' + "9" * 9999 + "}"], 11, "not valid JSON"),
        ([], 1, "must be `# Written by"),
        (LINES[:3], 4, "must be `environment: prod`"),
        (LINES[:5], 5, "no artifact below it"),
        (LINES[:6], 6, "no artifact below it"),
        ([*LINES[:6], *LINES[8:]], 6, "no artifact below it"),
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
