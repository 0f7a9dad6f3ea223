"""Says how an answer differs from the expected one.

Statuses are the same if they are equal, or both 400 or 422: peers differ among themselves there. A
peer's own failure (500) on a body counts as its refusal; ours never does. Of a body that is expected in
part, an object's keys, a list's items and values are compared; a text that begins with `~` is a regular
expression for the whole value. Numbers are equal to nine digits.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from serving_image.tests.conformance.peers.case import Expected
from serving_image.tests.support.server import Answer

_LENGTH = "inference-header-content-length"


def difference(answer: Answer, expected: Expected) -> str:
    """Return the first difference; empty if the answer is alike."""
    if _kind(answer.status) != _kind(400 if expected.status == 500 else expected.status):
        said = answer.body[:200].decode(errors="replace")
        return f"{answer.status} instead of {expected.status}: {said}"
    for name, wanted in expected.headers.items():
        found = answer.headers.get(name.lower(), "")
        if found != wanted and not re.fullmatch(wanted, found):
            return f"header {name}: {found!r} instead of {wanted!r}"
    text, tensors = answer.body, b""
    if _LENGTH in answer.headers:
        length = int(answer.headers[_LENGTH])
        text, tensors = text[:length], text[length:]
    if expected.tensors != tensors:
        return f"binary tensors {tensors.hex()} instead of {expected.tensors.hex()}"
    if expected.body is None:
        return ""
    return mismatch(_parsed(text), expected.body, exact=expected.exact)


def _kind(status: int) -> int:
    return 400 if status == 422 else status


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text.decode(errors="replace").strip()


def mismatch(found: Any, wanted: Any, at: str = "", *, exact: bool = False) -> str:
    """Return where two JSON values differ. `exact`: objects have no further keys, `~` is no pattern."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        missing = wanted.keys() - found.keys()
        further = found.keys() - wanted.keys() if exact else set()
        if missing or further:
            return f"{at or 'the body'} has the keys {sorted(found)} instead of {sorted(wanted)}"
        pairs = [(f"{at}.{key}", found[key], value) for key, value in wanted.items()]
    elif isinstance(wanted, list) and isinstance(found, list):
        if len(found) != len(wanted):
            return f"{at or 'the body'} is {_short(found)} instead of {_short(wanted)}"
        pairs = [
            (f"{at}[{index}]", *pair) for index, pair in enumerate(zip(found, wanted, strict=True))
        ]
    elif _same(found, wanted, exact=exact):
        return ""
    else:
        return f"{at or 'the body'} is {_short(found)} instead of {_short(wanted)}"
    told = (mismatch(one, other, place, exact=exact) for place, one, other in pairs)
    return next(filter(None, told), "")


def _same(found: Any, wanted: Any, *, exact: bool) -> bool:
    if isinstance(wanted, str) and wanted.startswith("~") and not exact:
        return re.fullmatch(wanted[1:], str(found), re.DOTALL) is not None
    if isinstance(wanted, float) and isinstance(found, int | float) and not isinstance(found, bool):
        return found == wanted or math.isclose(found, wanted, rel_tol=1e-9)
    if isinstance(wanted, bool) or isinstance(found, bool):
        return found is wanted
    return bool(found == wanted)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
