"""Reads a YAML file as plain data, and keeps the place of every key and item.

PyYAML parses the file into its node tree. This module turns the tree into data itself, because
only the tree still has the places, the duplicate keys and the size that aliases expand to. Scalars
follow YAML 1.2's core schema, so that `no` and `12:30` stay text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from servestack.errors import Location, Problem, SpecError

MAX_FILE_BYTES = 256 * 1024
MAX_VALUES = 20_000
MAX_DEPTH = 40

Place = tuple[int, int]
"""Line and column, counting from 1."""
DataPath = tuple[str | int, ...]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_KNOWN_TAGS = {
    *(
        f"tag:yaml.org,2002:{name}"
        for name in ("map", "seq", "str", "int", "float", "bool", "null")
    ),
    # YAML 1.1 gives these tags to some plain text; here it stays text.
    *(f"tag:yaml.org,2002:{name}" for name in ("timestamp", "merge", "value")),
    "!",
}
_TRUE = {"true", "True", "TRUE"}
_FALSE = {"false", "False", "FALSE"}
_NULL = {"", "~", "null", "Null", "NULL"}
_INTEGER = re.compile(r"^[-+]?\d{1,18}$")
_FLOAT = re.compile(r"^[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d{1,3})?$")


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document: its data, and the place of each part of it."""

    file: Path
    data: Any
    places: dict[DataPath, Place] = field(repr=False)

    def location(self, path: DataPath = ()) -> Location:
        """Return the place of a path, or of its nearest parent that is in the file."""
        for length in range(len(path), 0, -1):
            place = self.places.get(path[:length])
            if place is not None:
                return Location(self.file, *place)
        return Location(self.file, *self.places.get((), (1, 1)))


def read_document(file: Path, name: Path | None = None) -> Document:
    """Read a file that a user wrote.

    Messages call the file `name`, or `file` without it. Raises SpecError with what is wrong and
    where.
    """
    shown = name or file
    return parse_document(_read_text(file, shown), shown)


def parse_document(text: str, file: Path) -> Document:
    """Parse text that came from `file`. Raises SpecError with what is wrong and where."""
    try:
        loader = _LOADER(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise SpecError(_syntax_problem(error, text, file)) from None
    except RecursionError:
        raise SpecError(_too_deep(file)) from None
    if node is None:
        raise SpecError(
            Problem(
                "SRV103", "the file is empty", Location(file), hint="see `servestack new --help`"
            )
        )
    reader = _NodeReader(file)
    data = reader.read(node, (), 0)
    if reader.problems:
        raise SpecError(reader.problems)
    return Document(file, data, reader.places)


def _read_text(file: Path, shown: Path) -> str:
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_FILE_BYTES + 1)
    except IsADirectoryError:
        raise SpecError(
            Problem("SRV101", "is a folder", Location(shown), hint="name a YAML file")
        ) from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SpecError(Problem("SRV101", f"cannot be read: {reason}", Location(shown))) from None
    if len(raw) > MAX_FILE_BYTES:
        raise SpecError(
            Problem(
                "SRV102",
                f"is larger than {MAX_FILE_BYTES // 1024} KiB",
                Location(shown),
                hint="a spec is small; artifacts and data belong elsewhere",
            )
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SpecError(
            Problem("SRV102", "is not UTF-8", Location(shown, line), hint="save the file as UTF-8")
        ) from None
    return text


def _syntax_problem(error: yaml.YAMLError, text: str, file: Path) -> Problem:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    location = Location(file, mark.line + 1, mark.column + 1) if mark else Location(file)
    message = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
    if "expected a single document" in str(getattr(error, "context", "")):
        return Problem(
            "SRV103",
            "holds several documents",
            location,
            hint="write one spec per file, without `---`",
        )
    hint = ""
    line = text.splitlines()[mark.line] if mark and mark.line < len(text.splitlines()) else ""
    if "cannot start any token" in message and "\t" in line:
        hint = "indent with spaces, not tabs"
    elif "mapping values are not allowed" in message:
        hint = "quote the value if it holds `: `, or check the indentation"
    return Problem("SRV103", f"is not valid YAML: {message}", location, hint=hint)


def _too_deep(file: Path, place: Place = (1, 1)) -> Problem:
    return Problem("SRV104", f"is nested more than {MAX_DEPTH} levels deep", Location(file, *place))


class _NodeReader:
    """Turns nodes into data, and remembers the place of each."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.places: dict[DataPath, Place] = {}
        self.problems: list[Problem] = []
        self._values = 0
        self._readers: dict[type, Callable[[Any, DataPath, int], Any]] = {
            yaml.MappingNode: self._mapping,
            yaml.SequenceNode: self._sequence,
            yaml.ScalarNode: self._scalar,
        }

    def read(self, node: yaml.Node, path: DataPath, depth: int) -> Any:
        self._values += 1
        place = (node.start_mark.line + 1, node.start_mark.column + 1)
        self.places.setdefault(path, place)
        if node.tag not in _KNOWN_TAGS:
            self._problem(
                "SRV106", place, path, f"tag {node.tag} is not supported", "remove the tag"
            )
            return None
        if depth > MAX_DEPTH:
            raise SpecError(_too_deep(self.file, place))
        if self._values > MAX_VALUES:
            # Only aliases that refer to aliases get here, or a file that cannot be a spec.
            raise SpecError(
                Problem(
                    "SRV104",
                    f"holds more than {MAX_VALUES} values",
                    Location(self.file, *place),
                    hint="write the values out; nested anchors and aliases multiply them",
                )
            )
        return self._readers[type(node)](node, path, depth)

    def _mapping(self, node: yaml.MappingNode, path: DataPath, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            place = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            here = (*path, key)
            if key in result:
                first = self.places[here][0]
                self._problem(
                    "SRV105",
                    place,
                    here,
                    f"is set twice, first in line {first}",
                    "keep one of the two",
                )
                continue
            self.places[here] = place
            result[key] = self.read(value_node, here, depth + 1)
        return result

    def _key(self, node: yaml.Node, path: DataPath) -> str | None:
        place = (node.start_mark.line + 1, node.start_mark.column + 1)
        if not isinstance(node, yaml.ScalarNode):
            self._problem("SRV106", place, path, "a key must be text", "write `key: value`")
            return None
        if node.value == "<<" and not node.style:
            self._problem(
                "SRV106",
                place,
                path,
                "merge keys (`<<`) are not supported",
                "put shared fields under `defaults` of the environment",
            )
            return None
        return str(node.value)

    def _sequence(self, node: yaml.SequenceNode, path: DataPath, depth: int) -> list[Any]:
        return [self.read(item, (*path, i), depth + 1) for i, item in enumerate(node.value)]

    def _scalar(self, node: yaml.ScalarNode, path: DataPath, depth: int) -> Any:
        text = str(node.value)
        if node.style or node.tag == "!":
            return text
        return _plain_value(text)

    def _problem(self, id: str, place: Place, path: DataPath, message: str, hint: str) -> None:
        location = Location(self.file, *place)
        self.problems.append(Problem(id, message, location, dotted(path), hint))


def _plain_value(text: str) -> Any:
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if _INTEGER.match(text):
        return int(text)
    if _FLOAT.match(text):
        return float(text)
    return text


def dotted(path: DataPath) -> str:
    """Format a path for messages: `api.input.columns[0].type`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[A-Za-z_][\w-]*", part):
            text += f".{part}" if text else part
        else:
            text += f"[{part!r}]"
    return text
