"""Which version of a model an environment's lock had, from when to when, as git has it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from servestack.errors import Location, Problem, ResolveError
from servestack.git import read_blobs, run_git
from servestack.project import STACKS_FOLDER, lock_file
from servestack.resolve.lock_lines import Line, Lines, lines_of, services_in
from servestack.spec.model_files import MODELS_FOLDER
from servestack.spec.model_service import shadow_name
from servestack.versions.commits import (
    Commit,
    first_parents,
    renamed_from,
    require_repository,
    side_commits,
)

_NAME = re.compile(rb"^name:\s*[\"']?([a-z0-9][a-z0-9-]*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Period:
    """A time in which the lock had the same version of a model.

    `model` is its name at that time, and `lines` are those of its artifacts. `since` brought the
    version to the branch, `until` is the commit after which the lock no longer had it; None if it
    still has. `change` is the commit of a side branch by which the merge `since` brought it; None if
    `since` is no merge, or if git cannot tell. `is_cut`: a shallow clone ends here, so the version may
    be older than `since`.
    """

    model: str
    lines: Lines
    since: Commit
    until: Commit | None
    change: Commit | None = None
    is_cut: bool = False

    @property
    def author(self) -> str:
        """Who wrote the change, as far as git can tell."""
        return (self.change or self.since).author

    @property
    def merged_by(self) -> str:
        """Who merged the change; empty if the commit is no merge."""
        return self.since.author if self.since.is_merge else ""

    @property
    def approvals(self) -> tuple[tuple[str, str], ...]:
        """Trailers of the merge and of the change, each once."""
        commits = [self.since, *([self.change] if self.change else [])]
        return tuple(dict.fromkeys(each for commit in commits for each in commit.approvals))

    def lasted(self, now: datetime) -> timedelta:
        """How long the lock had it, until `now` if it still has."""
        end = self.until.time if self.until else now
        return max(end - self.since.time, timedelta())


@dataclass(frozen=True, slots=True)
class History:
    """The periods of one model in one environment, the newest first.

    `is_cut`: the clone is shallow, so there may be older ones.
    """

    model: str
    environment: str
    periods: tuple[Period, ...]
    is_cut: bool = False

    @property
    def current(self) -> Period | None:
        """The period of what the lock of HEAD has; None if it does not have the model."""
        return self.periods[0] if self.periods and self.periods[0].until is None else None


def read_history(root: Path, environment: str, model: str) -> History:
    """Read the history of a model's lines in the lock of an environment.

    It follows the first parents of HEAD: what the branch had, not what was tried on others. A line
    that was written again with the same version, run, source and digest is no new version. A lock
    that cannot be read, as with the marks of a merge conflict, is passed over. Lines of the model's
    shadow do not count.

    Raises ResolveError if git cannot be run (SRV231) or has no history (SRV579).
    """
    is_shallow = require_repository(root)
    periods = _periods(root, environment, model)
    if is_shallow and periods and not periods[-1].since.parents:
        # In a shallow clone the oldest commit has no parent, and seems to have made every file.
        periods[-1] = replace(periods[-1], is_cut=True)
    if any(period.since.is_merge for period in periods):
        periods = _with_changes(root, lock_file(environment), periods)
    return History(model, environment, tuple(periods), is_shallow)


def own_lines(lines: Lines, model: str) -> Lines:
    """Return the lines without that of the model's shadow, which is a trial of the environment."""
    return tuple(line for line in lines if line.name != shadow_name(model))


def lines_at(root: Path, environment: str, model: str, revision: str = "HEAD") -> Lines | None:
    """Return a model's lines at a revision, its shadow's among them.

    Returns () if the revision or its lock does not have them, and None if they cannot be read.
    """
    name = f"{revision}:./{lock_file(environment).as_posix()}"
    shown = run_git(root, "cat-file", "blob", name)
    return () if shown.returncode else lines_of(shown.stdout, model)


def working_lines(root: Path, environment: str, model: str) -> Lines | None:
    """Return a model's lines in the lock as the file is now, its shadow's among them.

    Returns () without them, and None if they cannot be read.
    """
    try:
        return lines_of((root / lock_file(environment)).read_bytes(), model)
    except OSError:
        return ()


def require_committed(root: Path, environment: str, model: str, why: str) -> None:
    """Raise ResolveError (SRV572) if a model's lines in the lock are not those of HEAD.

    `why` says what needs them to be. Lines of other models may differ.
    """
    require_repository(root)
    if working_lines(root, environment, model) == lines_at(root, environment, model):
        return
    file = lock_file(environment)
    raise ResolveError(
        Problem(
            "SRV572",
            f"the lines of {model} are not committed: {why}",
            Location(file),
            hint=f"commit them, or go back to what is committed: git restore {file.as_posix()}",
        )
    )


@dataclass(slots=True)
class _Seen:
    """A state of the lock: the commit that brought it, and the model's lines, if any."""

    commit: Commit
    model: str
    lines: Lines


def _periods(root: Path, environment: str, model: str) -> list[Period]:
    """Walk from HEAD to the first commit, and gather states of the same identity."""
    periods: list[Period] = []
    until: Commit | None = None
    current: _Seen | None = None
    for seen in _states(root, environment, model):
        if current is None or _identity(current) != _identity(seen):
            if current is not None:
                periods += _closed(current, until)
                until = current.commit
            current = seen
        else:
            current = seen  # The same version, brought by an older commit.
    if current is not None:
        periods += _closed(current, until)
    return periods


def _closed(seen: _Seen, until: Commit | None) -> list[Period]:
    return [Period(seen.model, seen.lines, seen.commit, until)] if seen.lines else []


def _identity(seen: _Seen) -> tuple[tuple[str, ...], ...]:
    if len(seen.lines) == 1:
        # The only artifact of a service is named as the service, which may be renamed.
        return (seen.lines[0].identity_without_name,)
    return tuple(line.identity for line in seen.lines)


def _states(root: Path, environment: str, model: str) -> Iterator[_Seen]:
    """Yield what the lock had after each commit that changed it, the newest first."""
    path: Path | None = lock_file(environment)
    start, name = "HEAD", model
    newer: tuple[Commit, bytes] | None = None
    while path is not None:
        commits = first_parents(root, path, start)
        contents = read_blobs(root, [commit.blob for commit in commits if commit.blob])
        for commit in commits:
            content = next(contents, ("", b""))[1] if commit.blob else b""
            if newer is not None and lines_of(newer[1], name) and lines_of(content, name) == ():
                name = _older_name(root, newer, content, name)
            newer = commit, content
            lines = lines_of(content, name)
            if lines is not None:
                yield _Seen(commit, name, own_lines(lines, name))
        path = None
        if commits and commits[-1].is_new and commits[-1].parents:
            # The environment may have had another name before.
            start = commits[-1].parents[0]
            path = _older_path(root, environment, commits[-1])


def _older_path(root: Path, environment: str, commit: Commit) -> Path | None:
    file = lock_file(environment).as_posix()
    for old, new in renamed_from(root, commit, STACKS_FOLDER):
        if new.endswith(file) and old.endswith(".lock.yaml"):
            return Path(old.removeprefix(new.removesuffix(file)))
    return None


def _older_name(root: Path, newer: tuple[Commit, bytes], older: bytes, name: str) -> str:
    """Return what a model was called before the commit in which its name first appears.

    The lock tells it, where the same artifacts had a name that is gone since then; else git does,
    where it detects that the spec's file was renamed. The name stays if neither does.
    """
    commit, content = newer
    gone = services_in(older) - services_in(content)
    new = lines_of(content, name) or ()
    for candidate in sorted(gone):
        old = lines_of(older, candidate) or ()
        if [line.identity_without_name for line in own_lines(old, candidate)] == [
            line.identity_without_name for line in own_lines(new, name)
        ]:
            return candidate
    if not gone:
        return name
    renamed = renamed_from(root, commit, MODELS_FOLDER)
    names = [f"{commit.parents[0]}:{old}" for old, _ in renamed]
    names += [f"{commit.id}:{file}" for _, file in renamed]
    found = {key: match[1].decode() for key, text in read_blobs(root, names)
             if (match := _NAME.search(text))}  # fmt: skip
    for old_file, new_file in renamed:
        before = found.get(f"{commit.parents[0]}:{old_file}", "")
        if found.get(f"{commit.id}:{new_file}") == name and before in gone:
            return before
    return name


def _with_changes(root: Path, path: Path, periods: list[Period]) -> list[Period]:
    """Add to each period that a merge began the commit of the side branch that wrote the line."""
    commits = side_commits(root, path)
    contents = dict.fromkeys(commit.blob for commit in commits if commit.blob)
    names = {period.model for period in periods}
    lines: dict[tuple[str, str], Lines] = {}
    for blob, content in read_blobs(root, contents):
        for name in names:
            lines[blob, name] = own_lines(lines_of(content, name) or (), name)

    def wrote(period: Period) -> Commit | None:
        """The first commit with these lines since the version before, before the merge."""
        begun = [p.since.time for p in periods if p.since.time < period.since.time]
        earliest = max(begun, default=None)
        found = [
            commit
            for commit in commits
            if _same(lines.get((commit.blob, period.model), ()), period.lines)
            and commit.time <= period.since.time
            and commit.id != period.since.id
        ]
        fresh = [c for c in found if earliest is None or c.time >= earliest] or found[:1]
        return min(fresh, key=lambda commit: commit.time, default=None)

    return [
        replace(period, change=wrote(period)) if period.since.is_merge else period
        for period in periods
    ]


def _same(some: tuple[Line, ...], others: tuple[Line, ...]) -> bool:
    return [line.identity for line in some] == [line.identity for line in others]
