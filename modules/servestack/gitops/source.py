"""Where a controller finds an environment's rendered files: a repository, a revision, a folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from servestack.errors import Location, Problem, SpecError
from servestack.git import run_git
from servestack.project import RENDERED_FOLDER
from servestack.secrets.search import find_in_text

_HOST = r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
_PATH = r"(?P<path>[^\s?#\\\x00-\x1f\x7f]+)"
_USER = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_HTTP = re.compile(rf"https?://{_HOST}(?P<port>:\d+)?/{_PATH}")
_SSH = re.compile(rf"ssh://{_USER}@{_HOST}(?P<port>:\d+)?/{_PATH}")
_SCP = re.compile(rf"(?P<user>{_USER})@{_HOST}:(?!//){_PATH}")
_USERINFO = re.compile(r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://)?(?P<user>[^/@\s]*)@")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?")
_LONGEST_NAME = 63
_LARGEST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Source:
    """A folder at a revision of a repository. `path` is relative to the repository's root."""

    repository: str
    revision: str
    path: str

    @property
    def is_commit(self) -> bool:
        """Whether the revision is the full id of a commit."""
        return _COMMIT.fullmatch(self.revision) is not None


def rendered_path(root: Path, environment: str) -> str:
    """Return the folder of an environment's rendered files, relative to the repository's root.

    The project may lie below that root. Raises SpecError outside of a git repository (SRV720), or if
    the name of a folder on the way is not text (SRV305).
    """
    asked = run_git(root, "rev-parse", "--show-prefix")
    if asked.returncode:
        lines = asked.stderr.decode(errors="replace").strip().splitlines()
        reason = lines[0] if lines else "git does not say why"
        message = "the project is not in a git repository that git reads here"
        hint = f"{reason}; run `git init`, or run this command in the clone"
        raise SpecError(Problem("SRV720", message, Location(root), hint=hint))
    prefix = asked.stdout.decode(errors="surrogateescape").removesuffix("\n")
    if not prefix.isprintable():
        message = f"{prefix!r} cannot be written into a file"
        hint = "give the project's folders names without control characters, in UTF-8"
        raise SpecError(Problem("SRV305", message, Location(root), hint=hint))
    return f"{prefix}{(RENDERED_FOLDER / environment).as_posix()}"


def is_in_git(root: Path, environment: str) -> bool:
    """Return whether git tracks any rendered file of an environment."""
    folder = (RENDERED_FOLDER / environment).as_posix()
    return bool(run_git(root, "ls-files", "-z", "--", folder).stdout)


def require_address(repository: str, *, scp: bool) -> None:
    """Raise SpecError unless a controller can fetch from this address of a repository.

    SRV722 for credentials in it, SRV721 for another form than `https://host/path`,
    `ssh://user@host/path` or, with `scp`, `user@host:path`. No message repeats the address, which
    may hold a secret in a form that nobody knows.
    """
    _refuse_credentials(repository)
    short = _SCP.fullmatch(repository)
    if short and scp:
        return
    full = _HTTP.fullmatch(repository) or _SSH.fullmatch(repository)
    if full and (not full["port"] or 0 < int(full["port"][1:]) <= _LARGEST_PORT):
        return
    message = "--repository is not an address that the controller can fetch from"
    hint = "write it as https://git.example.com/growth/models.git or ssh://git@git.example.com/…"
    if short:
        hint = f"Flux takes no short form of ssh; write ssh://{short['user']}@{short['host']}/{short['path'].lstrip('/')}"
    raise SpecError(Problem("SRV721", message, field="--repository", hint=hint))


def _refuse_credentials(repository: str) -> None:
    login = _USERINFO.match(repository)
    if login:
        # The user name of ssh is no secret; that of https is a token as often as not.
        is_public = login["scheme"] in (None, "ssh") and ":" not in login["user"]
        login = None if is_public else login
    if login or find_in_text(repository):
        message = "the address of the repository holds a user name or a credential"
        hint = (
            "leave out what stands before @, and any token; give the controller the credentials "
            "as a Secret in its namespace"
        )
        raise SpecError(Problem("SRV722", message, field="--repository", hint=hint))


def require_revision(root: Path, revision: str) -> None:
    """Raise SpecError (SRV725) for what can be no branch, tag or commit."""
    name = revision if revision.startswith("refs/") else f"refs/heads/{revision}"
    if revision.startswith("-") or run_git(root, "check-ref-format", name).returncode:
        message = f"{revision!r} cannot be the name of a branch, a tag or a commit"
        hint = "write a branch such as main, or refs/tags/v1.2.0"
        raise SpecError(Problem("SRV725", message, field="--revision", hint=hint))


def default_name(source: Source, environment: str) -> str:
    """Return `models-prod` for prod of growth/models.git, or of a project in its folder models/."""
    folders = source.path.split("/")[:-2]
    last = folders[-1] if folders else re.split(r"[/:]", source.repository.rstrip("/"))[-1]
    words = re.sub(r"[^a-z0-9]+", "-", last.lower().removesuffix(".git")).strip("-")
    return f"{words}-{environment}" if words else environment


def require_name(name: str, option: str) -> None:
    """Raise SpecError (SRV723) unless Kubernetes takes a name, and as the value of a label."""
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
        message = f"{name!r} is no name of an object in Kubernetes"
        hint = f"lower-case letters, digits and -, at most {_LONGEST_NAME} characters"
        raise SpecError(Problem("SRV723", message, field=option, hint=hint))
