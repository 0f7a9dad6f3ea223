"""servestack's errors.

A `Problem` is one thing that is wrong: what, where, and what would be right. `ServestackError`
carries all problems that were found, so that a user can fix a file in one pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from servestack.secrets.search import masked_text


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a file. `line` and `column` count from 1; 0 means the file as a whole."""

    file: Path
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        if not self.line:
            return str(self.file)
        return (
            f"{self.file}:{self.line}:{self.column}" if self.column else f"{self.file}:{self.line}"
        )


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    `id` stays the same across releases (docs/errors.md lists them). `field` is the dotted path in
    the file (`autoscaling.min`). `hint` says what would be right. Whatever looks like a credential in
    one of the texts is masked here, so that no message of any origin can show one.
    """

    id: str
    message: str
    location: Location | None = None
    field: str = ""
    hint: str = ""

    def __post_init__(self) -> None:
        for name in ("message", "field", "hint"):
            object.__setattr__(self, name, masked_text(getattr(self, name)))

    def __str__(self) -> str:
        where = f"{self.location}: " if self.location else ""
        field = f"{self.field}: " if self.field else ""
        hint = f"\n    {self.hint}" if self.hint else ""
        return f"{where}{self.id} {field}{self.message}{hint}"


class ServestackError(Exception):
    """An error that the user can fix. It is printed as its problems, never as a traceback."""

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (
            (problems,) if isinstance(problems, Problem) else tuple(problems)
        )
        super().__init__("\n".join(str(problem) for problem in self.problems))


class SpecError(ServestackError):
    """A spec, environment or lock file is not valid."""


class ResolveError(ServestackError):
    """A spec is valid, but what it names cannot be found or does not fit the environment."""


class RegistryError(ResolveError):
    """The model registry or artifact store cannot be reached, or lacks what was asked for."""


class BuildError(ServestackError):
    """A template does not produce what its builder expects."""


class RenderError(ServestackError):
    """Manifests could not be written, or what is written is stale."""


class ApplyError(ServestackError):
    """Pulumi or the cluster refused what was declared."""


class ClusterError(ServestackError):
    """A cluster cannot be reached, or denies access to its objects."""


class ServeError(ServestackError):
    """The model cannot be served on this machine."""


class KafkaError(ServestackError):
    """Kafka cannot be reached, refuses the caller, or does not hold what was asked for."""
