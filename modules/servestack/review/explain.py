"""Why a field has its value: what each layer wrote, and which layer won."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from servestack.errors import Problem, SpecError
from servestack.resolve.provenance import Origin, Path
from servestack.resolve.resolved import ResolvedService
from servestack.spec.document import dotted
from servestack.spec.model_service import ModelService
from servestack.spec.problems import known_fields, models_in


@dataclass(frozen=True, slots=True)
class Explanation:
    """One field: its value now, its default, and what each layer wrote, the strongest last."""

    path: Path
    value: Any
    default: Any
    origins: tuple[Origin, ...]

    @property
    def winner(self) -> str:
        """The layer whose value counts; `default` where no layer wrote one."""
        standing = [origin for origin in self.origins if not origin.hidden]
        return standing[-1].layer if standing else "default"


def explain(service: ResolvedService, field: str) -> tuple[Explanation, ...]:
    """Explain a field, or every field of a section. Raises SpecError if there is no such field."""
    path = parse_field(field)
    value = _value_at(service.spec, path)
    if isinstance(value, BaseModel):
        return tuple(
            entry
            for name, info in type(value).model_fields.items()
            for entry in explain(service, dotted((*path, info.alias or name)))
        )
    default = _default_at(path)
    origins = service.provenance.of(path)
    if not origins:
        # Written as part of a larger value: a list, or a section that was replaced as a whole.
        for length in range(len(path) - 1, 0, -1):
            origins = service.provenance.of(path[:length])
            if origins:
                break
    return (Explanation(path, value, default, origins),)


def _default_at(path: Path) -> Any:
    """The default of a field in the section that it belongs to; None without one."""
    models: list[type[BaseModel]] = [ModelService]
    default: Any = None
    for part in path:
        fields = [
            info
            for model in models
            for name, info in model.model_fields.items()
            if (info.alias or name) == part
        ]
        default = fields[0].default if fields else None
        models = [nested for info in fields for nested in models_in(info.annotation)]
    return None if default is PydanticUndefined else default


def parse_field(field: str) -> Path:
    """`api.input.columns[0].name` as a path."""
    path: list[str | int] = []
    for part in field.replace("[", ".[").split("."):
        if part.startswith("[") and part.endswith("]") and part[1:-1].isdigit():
            path.append(int(part[1:-1]))
        elif part:
            path.append(part.strip("[]'"))
    return tuple(path)


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
