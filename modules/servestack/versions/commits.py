"""The commits that changed a file, with who wrote, merged and approved them, as git has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from servestack.errors import Problem, ResolveError
from servestack.git import run_git

APPROVALS = ("Reviewed-by", "Approved-by", "Acked-by", "Signed-off-by")
"""Trailers that name somebody who vouches for a commit (git-interpret-trailers)."""
_RECORD, _FIELD, _ITEM = "\x1e", "\x1f", "\x1d"
_FIELDS = (
    "%H",
    "%P",
    "%aN <%aE>",
    "%cI",
    "%s",
    *(f"%(trailers:key={key},valueonly,unfold,separator=%x1d)" for key in APPROVALS),
)
_MISSING = "0" * 40


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit that changed a file.

    `author` is `name <address>`, as .mailmap has it; `time` the committer's, which is when a squashed
    or rebased change came to the branch. `approvals` are (trailer, value). `blob` is the id of the
    file's content after it; empty if it deleted the file. `is_new` if the file was not there before.
    """

    id: str
    parents: tuple[str, ...]
    author: str
    time: datetime
    subject: str
    approvals: tuple[tuple[str, str], ...]
    blob: str
    is_new: bool

    @property
    def is_merge(self) -> bool:
        return len(self.parents) > 1


def require_repository(root: Path) -> bool:
    """Return whether the repository around a folder is a shallow clone.

    Raises ResolveError (SRV579) if there is no repository, or no commit in it.
    """
    asked = run_git(root, "rev-parse", "--is-shallow-repository", "HEAD")
    if asked.returncode:
        lines = asked.stderr.decode(errors="replace").strip().splitlines()
        raise ResolveError(
            Problem(
                "SRV579",
                "git has no history of this project",
                hint=f"{lines[0] if lines else 'git does not say why'}; commit the project first",
            )
        )
    return asked.stdout.split()[0] == b"true"


def first_parents(root: Path, path: Path, start: str = "HEAD") -> list[Commit]:
    """Return the commits of the branch itself that changed a file, the newest first.

    A merge stands for all that it brought, as one change at the time of the merge.
    """
    return _log(root, path, "--first-parent", "--diff-merges=first-parent", start)


def side_commits(root: Path, path: Path) -> list[Commit]:
    """Return every commit that changed a file and is no merge, the newest first."""
    return _log(root, path, "--no-merges", "--full-history", "HEAD")


def _log(root: Path, path: Path, *arguments: str) -> list[Commit]:
    # -c: what a user has set must not add lines.
    command = ["-c", "log.showSignature=false", "log", "--no-color", "--no-renames", "--raw"]
    form = "%x1e" + "%x1f".join(_FIELDS)
    done = run_git(
        root, *command, "--no-abbrev", f"--format={form}", *arguments, "--", path.as_posix()
    )
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip()
        raise ResolveError(Problem("SRV579", "git cannot read the history", hint=reason))
    text = done.stdout.decode(errors="replace")
    return [_commit(record) for record in text.split(_RECORD)[1:]]


def _commit(record: str) -> Commit:
    head, _, rest = record.partition("\n")
    id, parents, author, time, subject, *approvals = head.split(_FIELD)
    raw = next((line.split() for line in rest.splitlines() if line.startswith(":")), [])
    before, after = (raw[2], raw[3]) if len(raw) > 4 else (_MISSING, _MISSING)
    return Commit(
        id,
        tuple(parents.split()),
        author,
        datetime.fromisoformat(time),
        subject,
        _approvals(approvals),
        "" if after.startswith(_MISSING) else after,
        before.startswith(_MISSING),
    )


def _approvals(values: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (key, who.strip())
        for key, of_key in zip(APPROVALS, values, strict=True)
        for who in of_key.split(_ITEM)
        if who.strip()
    )


def renamed_from(root: Path, commit: Commit, folder: Path) -> list[tuple[str, str]]:
    """Return (old, new) path of each file below a folder that a commit renamed, as git detects it.

    Paths are relative to the repository. Nothing is found for a first commit, or where a shallow
    clone was cut.
    """
    if not commit.parents:
        return []
    done = run_git(
        root, "diff-tree", "-r", "-M", "-z", "--diff-filter=R", "--name-status",
        commit.parents[0], commit.id, "--", folder.as_posix(),
    )  # fmt: skip
    parts = done.stdout.decode(errors="replace").split("\0") if not done.returncode else []
    return list(zip(parts[1::3], parts[2::3], strict=False))
