"""`servestack lock`: every address of an environment asked for, and pinned.

Asking is all or nothing: with one address that cannot be resolved nothing is written.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from servestack.errors import Location, RegistryError, ServestackError
from servestack.resolve.digest import digest_of
from servestack.resolve.lock import Lock, LockedArtifact
from servestack.resolve.model_facts import read_facts
from servestack.resolve.registry import Registry
from servestack.spec.artifact_uri import ArtifactKind, ArtifactUri, parse_artifact_uri

_DOWNLOADS_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class LockRequest:
    """An artifact to pin, and the place of its address in the spec."""

    service: str
    model: str
    uri: str
    location: Location


@dataclass(frozen=True, slots=True)
class LockEntry:
    """What became of one artifact: `added`, `moved`, `unchanged` or `removed`."""

    service: str
    model: str
    what: str
    old: LockedArtifact | None
    new: LockedArtifact | None


@dataclass(frozen=True, slots=True)
class LockReport:
    """The new lock, and what is different in it."""

    lock: Lock
    entries: tuple[LockEntry, ...]


RegistryOf = Callable[[ArtifactUri], Registry]
Progress = Callable[[LockRequest, str], None]


def lock_artifacts(
    requests: Sequence[LockRequest],
    lock: Lock,
    registry_of: RegistryOf,
    *,
    refresh: bool = False,
    progress: Progress = lambda request, step: None,
) -> LockReport:
    """Resolve and pin. A version that is locked already is not fetched again without `refresh`.

    Raises RegistryError with every address that could not be resolved, at its place in the spec.
    """

    def pin(request: LockRequest) -> LockedArtifact | ServestackError:
        known = None if refresh else lock.models.get(request.service, {}).get(request.model)
        try:
            return _pin(request, known, registry_of, progress)
        except ServestackError as error:
            return error

    with ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool:
        answers = list(pool.map(pin, requests))
    problems = [
        replace(problem, location=request.location, field=problem.field or "artifact")
        for request, answer in zip(requests, answers, strict=True)
        if isinstance(answer, ServestackError)
        for problem in answer.problems
    ]
    if problems:
        raise RegistryError(problems)
    models: dict[str, dict[str, LockedArtifact]] = {}
    for request, answer in zip(requests, answers, strict=True):
        if isinstance(answer, LockedArtifact):
            models.setdefault(request.service, {})[request.model] = answer
    new = Lock(lock.environment, models)
    return LockReport(new, _entries(lock, new))


def _pin(
    request: LockRequest,
    known: LockedArtifact | None,
    registry_of: RegistryOf,
    progress: Progress,
) -> LockedArtifact:
    uri = parse_artifact_uri(request.uri)
    if uri.kind is ArtifactKind.IN_IMAGE:
        return LockedArtifact(uri=uri.text, source=uri.path)
    registry = registry_of(uri)
    progress(request, "asking")
    found = registry.find(uri)
    if known is not None and found.version:
        pinned = (known.version, known.run_id, known.source)
        if pinned == (found.version, found.run_id, found.source) and known.sha256:
            return replace(known, uri=uri.text)
    progress(request, "fetching")
    with tempfile.TemporaryDirectory(prefix="servestack-") as folder:
        path = registry.download(found, Path(folder))
        digest, facts = digest_of(path), read_facts(path)
    return LockedArtifact(
        uri=uri.text,
        version=found.version,
        run_id=found.run_id,
        source=found.source,
        flavor=facts.flavor,
        format=facts.format,
        sha256=digest.sha256,
        size_bytes=digest.size_bytes,
        signature=facts.signature,
    )


def _entries(old: Lock, new: Lock) -> tuple[LockEntry, ...]:
    entries = []
    names = {(s, m) for lock in (old, new) for s, models in lock.models.items() for m in models}
    for service, model in sorted(names):
        before = old.models.get(service, {}).get(model)
        after = new.models.get(service, {}).get(model)
        what = "added" if before is None else "removed" if after is None else "moved"
        entries.append(
            LockEntry(service, model, "unchanged" if before == after else what, before, after)
        )
    return tuple(entries)
