"""Records where the value of each field came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from servestack.errors import Location

Path = tuple[str | int, ...]
"""Keys and list positions as the spec has them: ("autoscaling", "min")."""


def _same(path: Path) -> Path:
    return path


@dataclass(frozen=True, slots=True)
class Origin:
    """The value that one layer gives a field. `hidden` means that another layer replaced it.

    `layer` is the layer's name, `path` the field's path in the merged spec. `in_file` turns such a
    path into the layer's own, which differs for the entries of a list that layers add to. `locate`
    returns the place of one of its own paths in the layer's file.
    """

    layer: str
    value: Any
    path: Path
    locate: Callable[[Path], Location]
    in_file: Callable[[Path], Path] = _same
    hidden: bool = False

    def at(self, path: Path) -> Location:
        """Return the place of a path of the merged spec in the layer's file."""
        return self.locate(self.in_file(path))

    @property
    def location(self) -> Location:
        """The place where the layer sets the field."""
        return self.at(self.path)


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
        origin, place = self._origin(path)
        return origin.at(place) if origin is not None else self.file

    def field(self, path: Path) -> Path:
        """Return a field's path in the file that `location` returns: the fourth entry of a merged
        list may be the first in its file."""
        origin, _ = self._origin(path)
        return origin.in_file(path) if origin is not None else path

    def _origin(self, path: Path) -> tuple[Origin | None, Path]:
        """Return the origin that tells a path's place, and the path whose place it tells."""
        for length in range(len(path), 0, -1):
            for origin in reversed(self.origins.get(path[:length], ())):
                if not origin.hidden:
                    return origin, path
        for length in range(len(path), 0, -1):
            for written, origins in self.origins.items():
                if written[:length] == path[:length] and not origins[-1].hidden:
                    return origins[-1], path[:length]
        return None, path
