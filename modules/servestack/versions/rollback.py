"""Brings an earlier version of a model back into the lock of an environment, from git."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from servestack.errors import Location, Problem, ResolveError
from servestack.git import run_git
from servestack.resolve.lock import LockedArtifact
from servestack.resolve.lock_lines import Line, Lines, version_words
from servestack.versions.carrying import Carried, Target, carry, find_target
from servestack.versions.history import (
    History,
    Period,
    lines_at,
    own_lines,
    read_history,
    require_committed,
)


@dataclass(frozen=True, slots=True)
class Rollback:
    """An earlier version on its way back: the new lock, and the commit that it comes from.

    `revision` is the commit's id, or the revision that was asked for. `period` is the time in which
    the lock had the version; None if a revision was asked for that is not on the branch.
    """

    target: Target
    carried: Carried
    revision: str
    period: Period | None


def roll_back(root: Path, model: str, environment: str, to: str | None = None) -> Rollback:
    """Prepare to bring back the last version of a model that differs from the one in the lock.

    `to` chooses another: a version that the lock once had, or a git revision. Nothing is written.

    Raises ServestackError: the environment does not serve the model (SRV571); its lines are not
    committed (SRV572); git has no earlier version, or not this one (SRV574); the lock of an older
    servestack had it (SRV575); it does not fit the spec as it is now (SRV576).
    """
    target = find_target(root, environment, model)
    require_committed(root, environment, model, "they would be lost")
    history = read_history(root, environment, model)
    if to is None:
        period: Period | None = _previous(history, target)
        assert period is not None
        revision, lines, name = period.since.id, period.lines, period.model
    else:
        period = next((p for p in history.periods if to in _names(p) and not _is_now(p)), None)
        if period is not None:
            revision, lines, name = period.since.id, period.lines, period.model
        else:
            revision, name = to, model
            lines = _lines_at(root, history, target, to)
    artifacts = {
        # A single artifact is named as its service, which had another name then.
        (model if line.name == name else line.name): artifact
        for line, artifact in _read(lines, target, to)
    }
    try:
        carried = carry(target, artifacts, f"the lock of {revision[:12]}")
    except ResolveError as error:
        message = f"{version_words(lines)} of {model} does not fit the files as they are now"
        hint = f"go back with them too: git diff {revision[:12]} -- models stacks"
        raise ResolveError(
            [Problem("SRV576", message, Location(target.file), hint=hint), *error.problems]
        ) from None
    return Rollback(target, carried, revision, period)


def _is_now(period: Period) -> bool:
    return period.until is None


def _names(period: Period) -> set[str]:
    """What a user may call a version: its number, or the digest's first digits."""
    return {line.shown for line in period.lines} | {version_words(period.lines)}


def _previous(history: History, target: Target) -> Period:
    earlier = [period for period in history.periods if not _is_now(period)]
    if earlier:
        return earlier[0]
    message = f"git has no earlier version of {target.name} in {target.environment}"
    hint = f"`servestack history {target.name} {target.environment}` shows what it has"
    if history.is_cut:
        hint = "this clone is shallow: run git fetch --unshallow, and repeat the command"
    raise ResolveError(Problem("SRV574", message, Location(target.file), hint=hint))


def _lines_at(root: Path, history: History, target: Target, to: str) -> Lines:
    """The lines at a revision. Raises ResolveError (SRV574) if there are none."""
    known = ", ".join(dict.fromkeys(version_words(period.lines) for period in history.periods))
    hint = f"name a git revision, or one of the versions that the lock had: {known or 'none'}"
    found = None
    if not to.startswith("-"):
        asked = run_git(root, "rev-parse", "--verify", "--quiet", f"{to}^{{commit}}")
        if not asked.returncode:
            found = lines_at(root, target.environment, target.name, asked.stdout.decode().strip())
            if found is None:
                raise _too_old(target, to, "cannot be read")
            hint = f"the lock of {to} does not have {target.name}"
    lines = own_lines(found or (), target.name)
    if lines:
        return lines
    current = history.current
    if current is not None and to in _names(current):
        hint = f"the lock has {to} already"
    message = f"{target.name} had no version {to!r} in {target.environment}"
    raise ResolveError(Problem("SRV574", message, Location(target.file), hint=hint))


def _read(lines: Lines, target: Target, to: str | None) -> list[tuple[Line, LockedArtifact]]:
    """Read lines as today's lock has them.

    Raises ResolveError (SRV575) for a line that an older servestack wrote: one that cannot be read,
    or, unless it is asked for by `to`, one without what loading needs where the line of now has it.
    """
    found: list[tuple[Line, LockedArtifact]] = []
    for line in lines:
        try:
            artifact = line.artifact()
        except ValueError as error:
            raise _too_old(target, version_words(lines), str(error)) from None
        now = target.locked.get(line.name)
        if to is None and artifact.loading is None and now is not None and now.loading is not None:
            reason = "does not say what loading needs, so that some checks would be left out"
            again = f"or take it as it is: servestack rollback {target.name} {target.environment} --to {line.shown}"
            raise _too_old(target, version_words(lines), reason, again)
        found.append((line, artifact))
    return found


def _too_old(target: Target, version: str, reason: str, otherwise: str = "") -> ResolveError:
    message = f"the line of {version} is of an older lock: {reason}"
    hint = (
        f"point the address in the spec at that version, and run `servestack lock "
        f"{target.environment} --model {target.name}`"
    )
    hint = f"{hint}; {otherwise}" if otherwise else hint
    return ResolveError(Problem("SRV575", message, Location(target.file), hint=hint))
