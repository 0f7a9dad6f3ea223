"""Records where the value of each field came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from servestack.errors import Location

Path = tuple[str | int, ...]
"""Keys and list positions as the spec has them: ("autoscaling", "min")."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The value that one layer gives a field. `hidden` means that another layer replaced it.

    `layer` is the layer's name. `locate` returns the place of any path in that layer's file.
    """

    layer: str
    value: Any
    path: Path
    locate: Callable[[Path], Location]
    hidden: bool = False

    @property
    def location(self) -> Location:
        """The place where the layer sets the field."""
        return self.locate(self.path)


@dataclass(frozen=True, slots=True)
class Provenance:
    """For each field that a layer sets, the values of all layers, the weakest first.

    `file` is the place of the spec as a whole, for fields that no layer sets.
    """

    file: Location
    origins: Mapping[Path, tuple[Origin, ...]]

    def of(self, path: Path) -> tuple[Origin, ...]:
        """Return the values that layers give a field; empty if it has its default."""
        return self.origins.get(path, ())

    def below(self, path: Path) -> dict[Path, tuple[Origin, ...]]:
        """Return the origins of all fields that a layer sets at or below a path."""
        return {
            written: origins
            for written, origins in sorted(self.origins.items(), key=lambda item: str(item[0]))
            if written[: len(path)] == path
        }

    def location(self, path: Path) -> Location:
        """Return the place of a field, or of the nearest section around it that a layer sets."""
        for length in range(len(path), 0, -1):
            for origin in reversed(self.origins.get(path[:length], ())):
                if not origin.hidden:
                    return origin.locate(path)
        for length in range(len(path) - 1, 0, -1):
            for written, origins in self.origins.items():
                if written[:length] == path[:length] and not origins[-1].hidden:
                    return origins[-1].locate(path[:length])
        return self.file
