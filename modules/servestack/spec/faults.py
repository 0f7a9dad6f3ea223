"""What a rule between fields reports: a fault."""

from __future__ import annotations

from dataclasses import dataclass

from servestack.spec.document import DataPath


@dataclass(frozen=True, slots=True)
class Fault:
    """A mistake between fields. `path` is the field to fix, `with_paths` are the others."""

    id: str
    path: DataPath
    message: str
    hint: str = ""
    with_paths: tuple[DataPath, ...] = ()
