"""Reads the cases of a peer.

A file has the peer's name, where its cases come from, and `cases`. A case has

- `id`, `source` (file and test, or document), `model` (a service of services.py),
- the request: `method`, `path`, `headers`, and a body as `json`, as `text` or as `hex`; `tensors` in hex
  follow a JSON body as Triton's binary tensors do, `gzip: true` compresses the body,
- `expected`: `status`, `body`, `headers` and `tensors`, of which compare.py says what is compared;
  without a status MLflow's own server says what is expected, and `body` what its test asserts of it,
- `otherwise`: the row of docs/serving-differences.md, where we answer otherwise.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

FILES = tuple(
    Path(__file__).with_name(f"{name}.yaml")
    for name in ("mlflow", "mlserver", "kserve", "open_inference")
)


@dataclass(frozen=True)
class Expected:
    """What an answer must be: its status, and the parts that are given. `exact`: `body` is all of it."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    tensors: bytes = b""
    exact: bool = False


@dataclass(frozen=True)
class Case:
    """One request, and what the peer answers; `expected` None: its server is asked."""

    peer: str
    id: str
    source: str
    model: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None
    expected: Expected | None
    further: Any
    """What the peer's test asserts beside what the server says: a part of the body."""
    otherwise: str


def read_cases(file: Path) -> list[Case]:
    """Return the cases of a file. Raises KeyError or ValueError for a field that no case has."""
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    return [
        _case(content["peer"], content.get("defaults", {}), dict(item)) for item in content["cases"]
    ]


def _case(peer: str, defaults: Mapping[str, Any], item: dict[str, Any]) -> Case:
    body, headers = _body(item)
    given = dict(item.pop("expected", {}))
    expected = None
    if "status" in given:
        tensors = bytes.fromhex(given.pop("tensors", ""))
        expected = Expected(tensors=tensors, **given)
    case = Case(
        peer=peer,
        id=item.pop("id"),
        source=item.pop("source"),
        model=item.pop("model"),
        method=item.pop("method", "GET" if body is None else "POST"),
        path=item.pop("path", defaults.get("path")),
        headers=headers | item.pop("headers", {}),
        body=body,
        expected=expected,
        further=given.get("body") if expected is None else None,
        otherwise=item.pop("otherwise", ""),
    )
    if item:
        raise ValueError(f"{peer}, {case.id}: unknown fields {', '.join(item)}")
    return case


def _body(item: dict[str, Any]) -> tuple[bytes | None, dict[str, str]]:
    """Return the body, and the headers that belong to it."""
    headers = {"Content-Type": "application/json"}
    if "json" in item:
        body = json.dumps(item.pop("json")).encode()
    elif "text" in item:
        body = item.pop("text").encode()
    elif "hex" in item:
        body = bytes.fromhex(item.pop("hex"))
    else:
        return None, {}
    if "tensors" in item:
        headers |= {
            "Content-Type": "application/octet-stream",
            "Inference-Header-Content-Length": str(len(body)),
        }
        body += bytes.fromhex(item.pop("tensors"))
    if item.pop("gzip", False):
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body)
    return body, headers
