"""docs/serving-errors.md has every code that the source raises, with its statuses, and no other."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import servestack_contract
import servestack_server

SOURCES = (Path(servestack_contract.__file__).parent, Path(servestack_server.__file__).parent)
TABLE = Path(__file__).parents[3] / "docs" / "serving-errors.md"
STATUS_OF = {"invalid": 422, "malformed": 400, "WrongValueError": 422}


def calls() -> Iterator[tuple[str, ast.Call]]:
    """(name of the function, call) of both packages."""
    for file in sorted(file for source in SOURCES for file in source.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                function = node.func
                name = function.attr if isinstance(function, ast.Attribute) else ""
                yield function.id if isinstance(function, ast.Name) else name, node


def owner_steps() -> list[str]:
    return [
        str(call.args[0].value) for name, call in calls()
        if name == "_owner_failure" and isinstance(call.args[0], ast.Constant)
    ]  # fmt: skip


def codes_of_values() -> Iterator[str]:
    """What wrong_values.py says of a value: it returns (code, words)."""
    tree = ast.parse((SOURCES[0] / "wrong_values.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
            assert isinstance(node.value.elts[0], ast.Constant)
            yield node.value.elts[0].value  # type: ignore[misc]


def raised() -> dict[str, set[int]]:
    found: dict[str, set[int]] = defaultdict(set)
    for name, call in calls():
        if name in STATUS_OF:
            status, code = STATUS_OF[name], call.args[0]
        elif name in ("RequestError", "_refuse"):
            if not isinstance(call.args[0], ast.Attribute):
                continue  # Passed on: the caller's own call is found too.
            status, code = HTTPStatus[call.args[0].attr].value, call.args[1]
        else:
            continue
        if isinstance(code, ast.Constant):
            found[str(code.value)].add(status)
        elif isinstance(code, ast.JoinedStr):
            for step in owner_steps():
                found[f"{step}_failed"].add(status)
    for said in codes_of_values():
        found[said].add(422)
    return found


def documented() -> dict[str, set[int]]:
    rows = re.findall(r"^\| `(\w+)` \| ([\d, ]+) \| \S", TABLE.read_text(encoding="utf-8"), re.M)
    assert len({code for code, _ in rows}) == len(rows)
    assert [code for code, _ in rows] == sorted(code for code, _ in rows)
    return {code: {int(status) for status in statuses.split(",")} for code, statuses in rows}


def test_the_table_has_what_is_raised_and_no_more() -> None:
    assert len(raised()) > 40
    rows, codes = documented(), raised()
    assert not codes.keys() - rows.keys(), "add a row to docs/serving-errors.md"
    assert not rows.keys() - codes.keys(), (
        "nothing raises this: remove it from docs/serving-errors.md"
    )
    assert rows == codes
