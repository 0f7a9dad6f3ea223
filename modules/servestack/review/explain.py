"""Why a field has its value: what each layer wrote, and which layer won."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from servestack.errors import Problem, SpecError
from servestack.resolve.provenance import Origin, Path
from servestack.resolve.resolved import ResolvedService
from servestack.spec.base import fields_of
from servestack.spec.document import dotted
from servestack.spec.model_service import ModelService
from servestack.spec.problems import known_fields, models_in


@dataclass(frozen=True, slots=True)
class Explanation:
    """One field: its value now, its default, and what each layer wrote, the strongest last.

    An entry of a list or of a mapping has no default of its own: `is_entry`.
    """

    path: Path
    value: Any
    default: Any
    origins: tuple[Origin, ...]
    is_entry: bool = False

    @property
    def winner(self) -> str:
        """The layer whose value counts; `default` where no layer wrote one."""
        standing = [origin for origin in self.origins if not origin.hidden]
        return standing[-1].layer if standing else "default"


def explain(service: ResolvedService, field: str) -> tuple[Explanation, ...]:
    """Explain a field, every field of a section, or every entry of a list that layers add to.

    Raises SpecError if there is no such field.
    """
    return _explain(service, parse_field(field))


def _explain(service: ResolvedService, path: Path) -> tuple[Explanation, ...]:
    value = _value_at(service.spec, path)
    if not service.provenance.of(path):
        # No layer wrote it as a whole: its parts may come from different ones.
        below = [(*path, key) for key in _parts(value) if service.provenance.below((*path, key))]
        if isinstance(value, BaseModel):
            below = [(*path, key) for key in _parts(value)]
        if below:
            return tuple(entry for inner in below for entry in _explain(service, inner))
    is_entry = bool(path) and not isinstance(_value_at(service.spec, path[:-1]), BaseModel)
    default = None if is_entry else _default_at(path)
    return (Explanation(path, value, default, _origins(service, path), is_entry),)


def _parts(value: Any) -> list[str | int]:
    """The fields of a section, the keys of a mapping, or the positions of a list."""
    if isinstance(value, BaseModel):
        return list(fields_of(type(value)))
    if isinstance(value, dict):
        return list(value)
    return list(range(len(value))) if isinstance(value, tuple) else []


def _origins(service: ResolvedService, path: Path) -> tuple[Origin, ...]:
    """What layers wrote for a field, or for the list or section that it was written in."""
    found = (service.provenance.of(path[:length]) for length in range(len(path), 0, -1))
    return next((origins for origins in found if origins), ())


def _default_at(path: Path) -> Any:
    """The default of a field in the section that it belongs to; None without one."""
    models: list[type[BaseModel]] = [ModelService]
    default: Any = None
    for part in path:
        fields = [info for model in models if (info := fields_of(model).get(str(part)))]
        default = fields[0].default if fields else None
        models = [nested for info in fields for nested in models_in(info.annotation)]
    return None if default is PydanticUndefined else default


_PART = re.compile(
    r"""\[(?P<index>\d+)\] | \[(?P<quote>['"])(?P<key>.*?)(?P=quote)\] | (?P<name>[^.\[\]]+)""",
    re.X,
)


def parse_field(field: str) -> Path:
    """`api.input.columns[0].name` or `labels['example.com/team']` as a path."""
    return tuple(
        int(part["index"]) if part["index"] else part["key"] or part["name"]
        for part in _PART.finditer(field)
    )


_MISSING = object()


def _value_at(spec: BaseModel, path: Path) -> Any:
    here: Any = spec
    for index, part in enumerate(path):
        found = _step(here, part)
        if found is _MISSING:
            known = known_fields(type(spec), path[:index], spec.model_dump(by_alias=True))
            hint = (
                f"known fields: {', '.join(known)}" if known else "`servestack explain MODEL ENV`"
            )
            raise SpecError(Problem("SRV151", f"there is no field {dotted(path)}", hint=hint))
        here = found
    return here


def _step(here: Any, part: str | int) -> Any:
    if isinstance(here, BaseModel):
        for name, info in type(here).model_fields.items():
            if (info.alias or name) == part:
                return getattr(here, name)
    elif isinstance(here, dict):
        return here.get(part, _MISSING)
    elif isinstance(here, tuple) and isinstance(part, int) and part < len(here):
        return here[part]
    return _MISSING
