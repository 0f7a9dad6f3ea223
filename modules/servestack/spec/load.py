"""Loads a file as a typed, checked spec, or reports all its problems with their places."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from servestack.errors import Location, Problem, SpecError
from servestack.secrets.search import find_secrets
from servestack.spec.document import DataPath, Document, dotted, read_document
from servestack.spec.environment import Environment
from servestack.spec.environment_rules import environment_faults, folder_faults
from servestack.spec.faults import Fault
from servestack.spec.folder import Folder
from servestack.spec.merging import REPLACE, without_replacements
from servestack.spec.model_rules import model_faults
from servestack.spec.model_service import ModelService
from servestack.spec.problems import describe, path_in_data, shown

M = TypeVar("M", bound=BaseModel)
Locate = Callable[[DataPath], Location | None]
InFile = Callable[[DataPath], DataPath]


def _same(path: DataPath) -> DataPath:
    return path


@dataclass(frozen=True, slots=True)
class Loaded(Generic[M]):
    """A valid file: its typed value, and the document with the places of its parts.

    `folders` are the documents of the folders around a spec, the outermost first.
    """

    value: M
    document: Document
    folders: tuple[Document, ...] = ()


def load_model_service(file: Path, name: Path | None = None) -> Loaded[ModelService]:
    """Load one spec. Messages call the file `name`. Raises SpecError with all its problems."""
    document = read_document(file, name)
    spec, problems = check_model_service(document.data, document.location)
    if spec is None or problems:
        raise SpecError(problems)
    return Loaded(spec, document)


def load_environment(file: Path, name: Path | None = None) -> Loaded[Environment]:
    """Load one environment with its overlays. Messages call the file `name`.

    Raises SpecError with all its problems.
    """
    document = read_document(file, name)
    environment, problems = _check(
        Environment, document.data, environment_faults, document.location
    )
    problems = [*problems, *_overlay_problems(document)]
    if environment is None or problems:
        raise SpecError(_in_file_order(problems))
    if environment.name != file.name.removesuffix(".yaml"):
        raise SpecError(
            Problem(
                "SRV147",
                f"{environment.name!r} is not the name of the file",
                document.location(("name",)),
                "name",
                f"rename the file to {environment.name}.yaml",
            )
        )
    return Loaded(environment, document)


def load_folder(file: Path, name: Path | None = None) -> Loaded[Folder]:
    """Load what the models of a folder have in common. Messages call the file `name`.

    Raises SpecError with all its problems.
    """
    document = read_document(file, name)
    folder, problems = _check(Folder, document.data, folder_faults, document.location)
    problems = [*problems, *_overlay_problems(document)]
    if folder is None or problems:
        raise SpecError(_in_file_order(problems))
    return Loaded(folder, document)


def check_model_service(
    data: Any, locate: Locate, in_file: InFile = _same
) -> tuple[ModelService | None, list[Problem]]:
    """Check plain data as a spec. `locate` returns the place of a path.

    `in_file` returns what a message calls a path. Returns the spec, or None if a field is not
    valid, and all problems in the file's order.
    """
    return _check(ModelService, data, model_faults, locate, in_file)


def _check(
    model: type[M],
    data: Any,
    rules: Callable[[M], Iterator[Fault]],
    locate: Locate,
    in_file: InFile = _same,
) -> tuple[M | None, list[Problem]]:
    if not isinstance(data, Mapping):
        words = f"must be a mapping, not {shown(data)}"
        problem = Problem("SRV113", words, locate(()), hint=f"begin with `kind: {model.__name__}`")
        return None, [problem]
    problems = [
        Problem("SRV107", what, locate(path), dotted(path), _hint_for_secret(path))
        for path, what in find_secrets(data)
    ]
    secret_fields = {problem.field for problem in problems}
    try:
        value = model.model_validate(data)
    except ValidationError as error:
        details = error.errors(include_url=False)
        broken = [path_in_data(detail["loc"], data) for detail in details]
        for detail, path in zip(details, broken, strict=True):
            if dotted(path) in secret_fields or _follows(detail["type"], path, broken):
                continue
            problems.append(_placed(describe(detail, path, data, model), path, locate, in_file))
        problems += _faults_beside(model, data, broken, rules, locate)
        return None, _in_file_order(problems)
    problems += [_of_fault(fault, locate, in_file) for fault in rules(value)]
    return value, _in_file_order(problems)


def _hint_for_secret(path: DataPath) -> str:
    if path[-1:] == ("value",) and "env" in path and "patches" not in path:
        return "write valueFrom: {secret: name, key: key}, or public: true if it is no secret"
    return "keep it in a Secret, and refer to the Secret by name"


def _follows(kind: str, path: DataPath, broken: Sequence[DataPath]) -> bool:
    """Return whether a list counts as too short only because its items are not valid."""
    return kind == "too_short" and any(
        len(other) > len(path) and other[: len(path)] == path for other in broken
    )


def _faults_beside(
    model: type[M],
    data: Mapping[str, Any],
    broken: Sequence[DataPath],
    rules: Callable[[M], Iterator[Fault]],
    locate: Locate,
) -> list[Problem]:
    """Return the faults between the valid fields, so that one run shows them too."""
    stand_ins = _STAND_INS.get(model.__name__, {})
    pruned, removing = deepcopy(dict(data)), list(broken)
    value = None
    while value is None and removing:
        for path in removing:
            _remove(pruned, path)
        pruned = stand_ins | pruned
        try:
            value = model.model_validate(pruned)
        except ValidationError as error:
            # A required field was removed: remove its parent too, until the rest is valid.
            left = {path_in_data(detail["loc"], pruned)[:-1] for detail in error.errors()}
            removing = sorted(left - {(), *broken}, key=dotted)
            broken = [*broken, *removing]
    if value is None:
        return []
    return [
        _of_fault(fault, locate)
        for fault in rules(value)
        if not any(
            path[: len(named)] == named or named[: len(path)] == path
            for path in broken
            for named in (fault.path, *fault.with_paths)
        )
    ]


_STAND_INS: dict[str, dict[str, Any]] = {
    "ModelService": {"apiVersion": "servestack/v1", "kind": "ModelService", "name": "stand-in"}
}
"""Values for required fields that are not valid, so that the rest can still be checked."""


def _remove(data: Any, path: DataPath) -> None:
    """Remove a key. For an item, remove its whole list: the others' places stay correct."""
    while path and isinstance(path[-1], int):
        path = path[:-1]
    if not path:
        return
    for part in path[:-1]:
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return
    if isinstance(data, dict):
        data.pop(path[-1], None)


def _overlay_problems(document: Document) -> list[Problem]:
    """Check each overlay separately, as a spec that has only its fields."""
    data = document.data if isinstance(document.data, Mapping) else {}
    overlays: list[tuple[DataPath, Any]] = [(("defaults",), data.get("defaults"))]
    overrides = data.get("overrides")
    if isinstance(overrides, Mapping):
        overlays += [(("overrides", name), body) for name, body in overrides.items()]
    problems: list[Problem] = []
    for prefix, overlay in overlays:
        if isinstance(overlay, Mapping):
            problems += _problems_of_overlay(document, prefix, overlay)
    return problems


def _problems_of_overlay(
    document: Document, prefix: DataPath, overlay: Mapping[str, Any]
) -> Iterator[Problem]:
    probe: dict[str, Any] = {
        "apiVersion": "servestack/v1",
        "kind": "ModelService",
        "name": "overlay",
        **({} if "models" in overlay else {"artifact": "models:/overlay/1"}),
    }
    replaced: tuple[DataPath, ...] = ()
    if prefix[0] == "overrides":  # Below the defaults there is nothing to replace.
        overlay, replaced = without_replacements(ModelService, overlay)
    fixed = set(probe)
    probe |= {key: value for key, value in overlay.items() if key not in fixed or key == "artifact"}

    def in_file(path: DataPath) -> DataPath:
        for of_list in replaced:
            size = len(of_list)
            if path[:size] == of_list and len(path) > size:
                return (*of_list, REPLACE, *path[size:])
        return path

    def locate(path: DataPath) -> Location:
        return document.location((*prefix, *in_file(path)))

    def own_faults(spec: ModelService) -> Iterator[Fault]:
        # What depends on other layers too is checked once the layers are merged.
        for fault in model_faults(spec):
            paths = (in_file(path) for path in (fault.path, *fault.with_paths))
            if all((*prefix, *path) in document.places for path in paths):
                yield fault

    _, problems = _check(ModelService, probe, own_faults, locate, in_file)
    for problem in problems:
        if problem.id == "SRV107":  # Secrets are found in the whole file.
            continue
        field = f"{dotted(prefix)}.{problem.field}" if problem.field else dotted(prefix)
        yield Problem(problem.id, problem.message, problem.location, field, problem.hint)


def _is_written(path: DataPath, locate: Locate) -> bool:
    """Whether the file sets the field. One that it does not set has the place of its parent."""
    return locate(path) != locate(path[:-1])


def _placed(problem: Problem, path: DataPath, locate: Locate, in_file: InFile) -> Problem:
    field = dotted(in_file(path)) if problem.field == dotted(path) else problem.field
    return Problem(problem.id, problem.message, locate(path), field, problem.hint)


def _of_fault(fault: Fault, locate: Locate, in_file: InFile = _same) -> Problem:
    """Place a fault at the first of its fields that the file sets; the others have defaults."""
    paths = (fault.path, *fault.with_paths)
    written = (path for path in paths if _is_written(path, locate))
    location = locate(next(written, fault.path))
    field = dotted(in_file(fault.path))
    return Problem(fault.id, fault.message, location, field, fault.hint)


def _in_file_order(problems: Sequence[Problem]) -> list[Problem]:
    def place(problem: Problem) -> tuple[int, int, str]:
        location = problem.location
        return (location.line, location.column, problem.id) if location else (0, 0, problem.id)

    return sorted(dict.fromkeys(problems), key=place)
