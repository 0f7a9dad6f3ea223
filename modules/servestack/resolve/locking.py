"""Resolves and pins the artifacts of an environment, for `servestack lock`.

A service is locked whole or not at all: if one of its addresses cannot be resolved, it keeps what
the lock says of it, and the other services are locked.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from servestack.errors import Location, Problem, RegistryError, ServestackError
from servestack.resolve.digest import digest_of
from servestack.resolve.lock import Lock, LockedArtifact
from servestack.resolve.model_facts import read_facts
from servestack.resolve.registry import Found, Registry
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
    """The change of one artifact: `added`, `moved`, `unchanged`, `removed`, or `kept` after a
    failure."""

    service: str
    model: str
    what: str
    old: LockedArtifact | None
    new: LockedArtifact | None


@dataclass(frozen=True, slots=True)
class LockReport:
    """The new lock, and how it differs from the old one in what was asked for.

    `problems` are those of the services that could not be locked.
    """

    lock: Lock
    entries: tuple[LockEntry, ...]
    problems: tuple[Problem, ...] = ()


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
    """Resolve and pin artifacts, as `lock_services` does, all of them or none.

    Raises RegistryError with every address that could not be resolved, at its place in the spec.
    """
    report = lock_services(requests, lock, registry_of, refresh=refresh, progress=progress)
    if report.problems:
        raise RegistryError(report.problems)
    return report


def lock_services(
    requests: Sequence[LockRequest],
    lock: Lock,
    registry_of: RegistryOf,
    *,
    refresh: bool = False,
    kept: Collection[str] = (),
    progress: Progress = lambda request, step: None,
) -> LockReport:
    """Resolve and pin artifacts. A locked version is not fetched again without `refresh`.

    `kept` are services of which the lock goes on saying what it says. `progress` is called with
    each request and its step, `asking` or `fetching`. The report has a problem for every address
    that could not be resolved, at its place in the spec.
    """

    def find(request: LockRequest) -> Found | ServestackError:
        try:
            return _find(request, registry_of, progress)
        except ServestackError as error:
            return error

    def pin(
        request: LockRequest, found: Found | ServestackError
    ) -> LockedArtifact | ServestackError:
        if isinstance(found, ServestackError):
            return found
        known = None if refresh else lock.models.get(request.service, {}).get(request.model)
        try:
            return _pin(request, found, known, registry_of, progress)
        except ServestackError as error:
            return error

    with ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool:
        # Questions first: MLflow's timeout is the process's, and downloads need a longer one.
        found = list(pool.map(find, requests))
        answers = list(pool.map(pin, requests, found))
    problems: dict[tuple[str, str], Problem] = {}
    failed: set[str] = set()
    models: dict[str, dict[str, LockedArtifact]] = {}
    for request, answer in zip(requests, answers, strict=True):
        if isinstance(answer, LockedArtifact):
            models.setdefault(request.service, {})[request.model] = answer
            continue
        failed.add(request.service)
        for problem in answer.problems:
            # A server that is down is one problem, however many models are on it.
            problems.setdefault(
                (problem.id, problem.message),
                replace(problem, location=request.location, field=problem.field or "artifact"),
            )
    for service in {*failed, *kept}:
        models.pop(service, None)
        if service in lock.models:
            models[service] = lock.models[service]
    new = Lock(lock.environment, models)
    entries = _entries(lock, new, failed)
    asked = tuple(entry for entry in entries if entry.service not in kept)
    return LockReport(new, asked, tuple(problems.values()))


def _find(request: LockRequest, registry_of: RegistryOf, progress: Progress) -> Found:
    uri = parse_artifact_uri(request.uri)
    if uri.kind is ArtifactKind.IN_IMAGE:
        return Found(uri.path)
    registry = registry_of(uri)
    progress(request, "asking")
    return registry.find(uri)


def _pin(
    request: LockRequest,
    found: Found,
    known: LockedArtifact | None,
    registry_of: RegistryOf,
    progress: Progress,
) -> LockedArtifact:
    uri = parse_artifact_uri(request.uri)
    if uri.kind is ArtifactKind.IN_IMAGE:
        return LockedArtifact(uri=uri.text, source=found.source)
    if known is not None and found.version:
        pinned = (known.version, known.run_id, known.source)
        is_whole = known.sha256 and known.loading is not None
        if pinned == (found.version, found.run_id, found.source) and is_whole:
            return msgspec.structs.replace(known, uri=uri.text, archived=found.is_archived)
    progress(request, "fetching")
    try:
        with tempfile.TemporaryDirectory(prefix="servestack-") as folder:
            path = registry_of(uri).download(found, Path(folder))
            digest, facts = digest_of(path), read_facts(path)
    except OSError as error:
        message = f"{uri.text}: cannot be stored to compute its digest: {error.strerror or error}"
        hint = f"free up disk space in {tempfile.gettempdir()}, or set TMPDIR to another folder"
        raise RegistryError(Problem("SRV226", message, hint=hint)) from None
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
        archived=found.is_archived,
        loading=facts.loading,
        profile=facts.profile,
    )


def _entries(old: Lock, new: Lock, failed: Collection[str]) -> tuple[LockEntry, ...]:
    entries = []
    names = {(s, m) for lock in (old, new) for s, models in lock.models.items() for m in models}
    for service, model in sorted(names):
        before = old.models.get(service, {}).get(model)
        after = new.models.get(service, {}).get(model)
        what = "added" if before is None else "removed" if after is None else "moved"
        if before == after:
            what = "kept" if service in failed else "unchanged"
        entries.append(LockEntry(service, model, what, before, after))
    return tuple(entries)
