"""A fault between fields: the form in which the rules of a whole file report."""

from __future__ import annotations

from dataclasses import dataclass

from servestack.spec.document import DataPath


@dataclass(frozen=True, slots=True)
class Fault:
    """A mistake that no field shows alone. `path` is where to mend it, `with_paths` the others."""

    id: str
    path: DataPath
    message: str
    hint: str = ""
    with_paths: tuple[DataPath, ...] = ()
