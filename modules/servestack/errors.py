"""What servestack says when something is wrong: problems with a place, raised as one exception.

A `Problem` is one thing wrong, with where it is and what would be right. `ServestackError`
carries all the problems found in one go, so that a user mends a file once and not ten times.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


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
    """One thing wrong.

    `id` is stable over releases (documented in docs/errors.md), `field` is the dotted path
    in the file (`autoscaling.min`), `hint` says what would be right.
    """

    id: str
    message: str
    location: Location | None = None
    field: str = ""
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.location}: " if self.location else ""
        field = f"{self.field}: " if self.field else ""
        hint = f"\n    {self.hint}" if self.hint else ""
        return f"{where}{self.id} {field}{self.message}{hint}"


class ServestackError(Exception):
    """Something the user can mend. Printed as its problems, never as a traceback."""

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
    """The model registry or artifact store is out of reach, or does not hold what was asked for."""


class BuildError(ServestackError):
    """A template does not give what its builder expects."""


class RenderError(ServestackError):
    """Manifests could not be written, or what is written is stale."""


class ApplyError(ServestackError):
    """Pulumi or the cluster refused what was declared."""


class ClusterError(ServestackError):
    """A cluster is out of reach, or does not let us see what is in it."""


class ServeError(ServestackError):
    """The model cannot be served on this machine."""
