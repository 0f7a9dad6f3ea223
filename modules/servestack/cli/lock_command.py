"""`servestack lock`."""

from __future__ import annotations

from pathlib import Path

from servestack.cli.orphans_command import note_orphans
from servestack.cli.output import say, say_problems
from servestack.errors import RegistryError, ResolveError, ServestackError, SpecError
from servestack.project import Inputs, chosen_environments, load_around, lock_file
from servestack.resolve.environment import deployed
from servestack.resolve.lock import LockedArtifact, write_lock
from servestack.resolve.lock_requests import lock_requests, registries
from servestack.resolve.locking import LockEntry, LockRequest, lock_services
from servestack.spec.model_files import Selection, load_model_files

PARTLY = 3
"""Exit code: some models could not be locked, and the others were."""


def lock(
    root: Path, names: list[str] | None, *, refresh: bool, selection: Selection | None = None
) -> int:
    """Lock all models, or those selected, in each environment. Returns the exit code: 0 or PARTLY.

    A model that cannot be locked keeps its lines of the lock, as one that is not selected does.
    Raises ServestackError, and has written nothing, if none could be locked.
    """
    files = load_model_files(root)
    failures: list[ServestackError] = []
    if broken := files.problems(selection):
        failures.append(SpecError(broken))
    some = False
    for name in chosen_environments(root, names):
        try:
            inputs = load_around(root, name, files)
            if selection is not None:
                selection.require_known(files, gone=inputs.lock.models)
            some = _lock(inputs, refresh, selection, failures) or some
        except ServestackError as error:
            failures.append(error)
    if not names and selection is None:
        note_orphans(root)
    problems = dict.fromkeys(problem for error in failures for problem in error.problems)
    if not problems:
        return 0
    if not some:
        raise type(failures[0])(problems)
    say_problems(problems)
    return PARTLY


def _lock(
    inputs: Inputs, refresh: bool, selection: Selection | None, failures: list[ServestackError]
) -> bool:
    """Lock one environment, and add what could not be locked to `failures`.

    Returns whether the lock now says what was asked for, of one model at least. Raises
    ServestackError if the lock is not valid and lines of it would have to stay.
    """
    name = inputs.environment.value.name
    requests, kept = _requests(inputs, selection, failures)
    report = lock_services(
        requests,
        inputs.lock,
        registries(inputs.environment.value, inputs.root),
        refresh=refresh,
        kept=kept,
        progress=lambda request, step: say(f"{request.model}: {step} {request.uri}"),
    )
    if report.problems:
        failures.append(RegistryError(report.problems))
    is_whole = selection is None and not kept and not report.problems and not inputs.files.broken
    if inputs.lock_problems and not is_whole:
        raise SpecError(inputs.lock_problems)
    for entry in report.entries:
        say(f"{entry.service}{_of_several(entry)}: {entry.what}{_versions(entry)}")
    done = [entry for entry in report.entries if entry.what != "kept"]
    if (kept or report.problems) and not done:
        return False
    written = write_lock(inputs.root / lock_file(name), report.lock)
    same = "unchanged" if refresh else "unchanged; use --refresh to read the artifacts again"
    say(f"{lock_file(name)}: {'written' if written else same}")
    return True


def _requests(
    inputs: Inputs, selection: Selection | None, failures: list[ServestackError]
) -> tuple[list[LockRequest], set[str]]:
    """Return what to ask the registry for, and the services whose lines of the lock stay.

    What a spec cannot ask for, since it is not valid in the environment, is added to `failures`.
    """
    requests: list[LockRequest] = []
    broken = {spec.name for spec in inputs.files.broken}
    names = {spec.value.name for spec in inputs.specs}
    selected = {s.value.name for s in inputs.specs if selection is None or selection.holds_spec(s)}
    if selection is not None:
        selected |= set(selection.names) - names - broken
    elif None not in broken:  # Else a line that nobody asks for may be that of a broken file.
        selected |= set(inputs.lock.models) - names - broken
    kept = set(inputs.lock.models) - selected
    for loaded in deployed(inputs.specs, inputs.environment.value):
        if loaded.value.name in selected:
            try:
                requests += lock_requests(loaded, inputs.environment)
            except ServestackError as error:
                failures.append(ResolveError(error.problems))
                kept.add(loaded.value.name)
    return requests, kept


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
