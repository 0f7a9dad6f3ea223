"""What `servestack lock` asks, fetches and reports, over a registry that only remembers."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from servestack.errors import Location, Problem, RegistryError
from servestack.resolve.lock import Lock, LockedArtifact
from servestack.resolve.locking import LockReport, LockRequest, lock_artifacts
from servestack.resolve.registry import Found
from servestack.spec.artifact_uri import ArtifactUri


@dataclass
class Shelf:
    """Versions by name; notes every call."""

    versions: dict[str, str]
    calls: list[str] = field(default_factory=list)
    full: bool = False
    archived: bool = False

    def find(self, uri: ArtifactUri) -> Found:
        self.calls.append(f"find {uri.name}")
        if self.versions[uri.name] == "down":
            raise RegistryError(Problem("SRV222", "the shelf is down"))
        if self.versions[uri.name] == "unknown":
            raise RegistryError(Problem("SRV223", f"{uri.text}: is not there"))
        return Found(f"shelf:/{uri.name}", self.versions[uri.name], "run", self.archived)

    def download(self, found: Found, folder: Path) -> Path:
        self.calls.append(f"download {found.source}")
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        file = folder / "model.onnx"
        file.write_text(f"{found.source} {found.version}")
        return file


def lock_all(shelf: Shelf, lock: Lock | None = None, *, refresh: bool = False) -> LockReport:
    requests = [
        LockRequest(name, name, f"models:/{name}@live", Location(Path(f"models/{name}.yaml"), 4))
        for name in shelf.versions
    ]
    return lock_artifacts(requests, lock or Lock("prod"), lambda uri: shelf, refresh=refresh)


def test_entries_tell_what_became_of_each_artifact() -> None:
    before = lock_all(Shelf({"kept": "1", "gone": "1", "moving": "1"})).lock
    report = lock_all(Shelf({"kept": "1", "moving": "2", "new": "1"}), before)
    told = [
        (
            entry.service,
            entry.what,
            entry.old and entry.old.version,
            entry.new and entry.new.version,
        )
        for entry in report.entries
    ]
    assert told == [
        ("gone", "removed", "1", None),
        ("kept", "unchanged", "1", "1"),
        ("moving", "moved", "1", "2"),
        ("new", "added", None, "1"),
    ]
    assert sorted(report.lock.models) == ["kept", "moving", "new"]


def test_a_version_that_is_locked_is_fetched_again_only_when_asked_to() -> None:
    shelf = Shelf({"a": "1"})
    lock = lock_all(shelf).lock
    assert lock_all(shelf, lock).lock == lock
    assert shelf.calls.count("download shelf:/a") == 1
    assert lock_all(shelf, lock, refresh=True).lock == lock
    assert shelf.calls.count("download shelf:/a") == 2


def test_a_locked_version_without_digest_is_fetched() -> None:
    known = LockedArtifact("models:/a@live", version="1", run_id="run", source="shelf:/a")
    report = lock_all(Shelf({"a": "1"}), Lock("prod", {"a": {"a": known}}))
    assert report.lock.models["a"]["a"].sha256


def test_a_lock_of_an_older_version_is_completed_without_being_asked_to() -> None:
    """It has no word on what loading needs; nothing else of it changes."""
    shelf = Shelf({"a": "1"})
    lock = lock_all(shelf).lock
    older = msgspec.structs.replace(lock.models["a"]["a"], loading=None)
    assert lock_all(shelf, Lock("prod", {"a": {"a": older}})).lock == lock


def test_a_version_that_is_archived_meanwhile_is_marked() -> None:
    shelf = Shelf({"a": "1"})
    lock = lock_all(shelf).lock
    shelf.archived = True
    assert lock_all(shelf, lock).lock.models["a"]["a"].archived
    assert shelf.calls.count("download shelf:/a") == 1


def test_everything_is_asked_before_anything_is_fetched() -> None:
    shelf = Shelf(dict.fromkeys("abcdefgh", "1"))
    lock_all(shelf)
    assert [call.split()[0] for call in shelf.calls] == ["find"] * 8 + ["download"] * 8


def test_all_problems_are_told_and_a_shared_one_once() -> None:
    with pytest.raises(RegistryError) as caught:
        lock_all(Shelf({"a": "unknown", "b": "1", "c": "down", "d": "down", "e": "unknown"}))
    assert [(problem.id, str(problem.location)) for problem in caught.value.problems] == [
        ("SRV223", "models/a.yaml:4"),
        ("SRV222", "models/c.yaml:4"),
        ("SRV223", "models/e.yaml:4"),
    ]
    assert {problem.field for problem in caught.value.problems} == {"artifact"}


def test_no_room_for_an_artifact() -> None:
    with pytest.raises(RegistryError, match=r"models/a.yaml:4: SRV226 .*No space left"):
        lock_all(Shelf({"a": "1"}, full=True))
