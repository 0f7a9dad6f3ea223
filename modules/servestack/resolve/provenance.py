"""Where the value of each field came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from servestack.errors import Location

Path = tuple[str | int, ...]
"""Keys and list positions in the spec's own words: ("autoscaling", "min")."""


@dataclass(frozen=True, slots=True)
class Origin:
    """One layer's word on a field: `layer` is default, environment, spec, override or lock."""

    layer: str
    value: Any
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class Provenance:
    """For each leaf that a layer wrote, every layer's word, the winner last."""

    origins: Mapping[Path, tuple[Origin, ...]] = field(default_factory=dict)

    def of(self, path: Path) -> tuple[Origin, ...]:
        """Every layer's word on one field, the winner last; empty where nobody wrote it."""
        return self.origins.get(path, ())

    def location(self, path: Path) -> Location | None:
        """The place of a field, or else of the nearest section around it that was written."""
        for length in range(len(path), -1, -1):
            prefix = path[:length]
            for written, origins in self.origins.items():
                if written[:length] == prefix and origins[-1].location is not None:
                    return origins[-1].location
        return None
