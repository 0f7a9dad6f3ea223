"""`servestack lock`."""

from __future__ import annotations

from pathlib import Path

from servestack.cli.output import say
from servestack.project import chosen_environments, load_inputs, lock_file
from servestack.resolve.environment import deployed
from servestack.resolve.lock import LockedArtifact, write_lock
from servestack.resolve.lock_requests import lock_requests, registries
from servestack.resolve.locking import LockEntry, lock_artifacts


def lock(root: Path, names: list[str] | None, *, refresh: bool) -> None:
    """Resolve all artifacts, then write the lock. On any problem the lock stays as it is."""
    for name in chosen_environments(root, names):
        inputs = load_inputs(root, name, tolerate_broken_lock=True)
        report = lock_artifacts(
            [
                request
                for loaded in deployed(inputs.specs, inputs.environment.value)
                for request in lock_requests(loaded, inputs.environment)
            ],
            inputs.lock,
            registries(inputs.environment.value, root),
            refresh=refresh,
            progress=lambda request, step: say(f"{request.model}: {step} {request.uri}"),
        )
        written = write_lock(root / lock_file(name), report.lock)
        for entry in report.entries:
            say(f"{entry.service}{_of_several(entry)}: {entry.what}{_versions(entry)}")
        kept = "unchanged" if refresh else "unchanged; use --refresh to read the artifacts again"
        say(f"{lock_file(name)}: {'written' if written else kept}")


def _of_several(entry: LockEntry) -> str:
    return "" if entry.model == entry.service else f"/{entry.model}"


def _versions(entry: LockEntry) -> str:
    if entry.what == "moved" and entry.old and entry.new:
        return f" {_version(entry.old)} → {_version(entry.new)}"
    artifact = entry.new or entry.old
    return f" {_version(artifact)}" if artifact else ""


def _version(artifact: LockedArtifact) -> str:
    archived = ", which is archived" if artifact.archived else ""
    return f"version {artifact.version}{archived}" if artifact.version else artifact.sha256[:12]
