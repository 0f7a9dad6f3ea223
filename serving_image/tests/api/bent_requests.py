"""Requests of all routes, valid ones first, then bent: by structure, by bytes, by headers."""

from __future__ import annotations

import gzip
import json
import struct
from copy import deepcopy
from typing import Any, NamedTuple

from hypothesis import strategies as st
from urllib3.filepost import encode_multipart_formdata


class Sent(NamedTuple):
    """A request as it goes out."""

    path: str
    headers: tuple[tuple[str, bytes], ...]
    body: bytes

    @property
    def data(self) -> bytes:
        lines = [
            f"POST {self.path} HTTP/1.1".encode(),
            b"host: test",
            b"content-length: %d" % len(self.body),
        ]
        lines += [name.encode() + b": " + value for name, value in self.headers]
        return b"\r\n".join([*lines, b"", self.body])


SELDON_PATH = "/api/v1.0/predictions"
NUMBER = st.floats(0, 10, allow_nan=False) | st.integers(0, 8)
NAMES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
ROW = st.lists(NUMBER, min_size=4, max_size=4)
RECORD = st.fixed_dictionaries(dict.fromkeys(NAMES, NUMBER))
ROWS = st.lists(ROW, min_size=1, max_size=4)
RECORDS = st.lists(RECORD, min_size=1, max_size=4)
FORMS = st.one_of(
    ROWS,
    RECORDS,
    ROW,
    RECORD,
    st.builds(lambda rows: {"data": rows}, ROWS | RECORDS),
    st.builds(lambda rows: {"instances": rows}, ROWS | RECORDS),
    st.builds(lambda rows: {"inputs": rows}, ROWS | RECORDS),
    st.builds(lambda rows: {"dataframe_records": rows}, RECORDS),
    st.builds(lambda rows: {"dataframe_split": {"columns": NAMES, "data": rows}}, ROWS),
    st.builds(
        lambda rows: {"inputs": dict(zip(NAMES, zip(*rows, strict=True), strict=True))}, ROWS
    ),
)
ODD: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from([
        None, True, False, "", [], {}, [[]], [None], 0, -1, 2**31, 2**63, 2**64, 10**30, 10**400,
        1.7e308, -0.0, 5e-324, "NaN", "1", "\0", "\ud7ff", "a" * 3000, [[[[1]]]], {"": {}},
    ]),
    st.text(max_size=20),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=5) | st.sampled_from(NAMES), inner, max_size=4),
        max_leaves=8,
    ),
)  # fmt: skip
DATATYPES = [
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16",
    "FP32", "FP64", "BYTES", "FP8", "",
]  # fmt: skip


@st.composite
def inference(draw: st.DrawFn) -> tuple[Any, bytes]:
    """A V2 request: its JSON, and the raw tensors behind it."""
    rows = draw(ROWS)
    raw = b""
    tensors: list[dict[str, Any]] = []
    datatype = draw(st.sampled_from(["FP32", "FP64"]) | st.sampled_from(DATATYPES))
    if draw(st.booleans()):
        columns = [("input", [len(rows), 4], [v for row in rows for v in row])]
    else:
        by_column = zip(*rows, strict=True)
        columns = [(n, [len(rows)], list(v)) for n, v in zip(NAMES, by_column, strict=True)]
    for name, shape, values in columns:
        tensor: dict[str, Any] = {"name": name, "shape": shape, "datatype": datatype}
        if draw(st.booleans()):
            packed = struct.pack(f"<{len(values)}{'f' if datatype == 'FP32' else 'd'}", *values)
            tensor["parameters"] = {"binary_data_size": len(packed)}
            raw += packed
        else:
            tensor["data"] = values
        tensors.append(tensor)
    asked: dict[str, Any] = {"inputs": tensors}
    if draw(st.booleans()):
        asked["outputs"] = [
            {"name": "predictions", "parameters": {"binary_data": draw(st.booleans())}}
        ]
    if draw(st.booleans()):
        asked["id"] = "an-id"
        asked["parameters"] = {"binary_data_output": draw(st.booleans())}
    return asked, raw


def bend(draw: st.DrawFn, value: Any) -> Any:
    """Replace, drop, repeat or rename one node of a JSON value."""
    places: list[tuple[Any, Any]] = []
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict | list):
            keys = list(node) if isinstance(node, dict) else range(len(node))
            places += [(node, key) for key in keys]
            waiting += [node[key] for key in keys]
    if not places or draw(st.integers(0, 9)) == 0:
        return deepcopy(draw(ODD))
    node, key = draw(st.sampled_from(places))
    how = draw(st.sampled_from(["replace", "replace", "drop", "repeat", "rename"]))
    if how == "replace":
        node[key] = deepcopy(draw(ODD))
    elif how == "drop":
        del node[key]
    elif isinstance(node, list):
        node.insert(key, deepcopy(node[key]))
    else:
        name = draw(st.sampled_from([*NAMES, "data", "inputs", "id"]) | st.text(max_size=5))
        node[name] = deepcopy(node[key])
    return value


def break_bytes(draw: st.DrawFn, body: bytes) -> bytes:
    """Cut, flip, put in or leave out some bytes."""
    at = draw(st.integers(0, len(body)))
    match draw(st.sampled_from(["cut", "put", "flip", "leave out", "new", "nest"])):
        case "cut":
            return body[:at]
        case "put":
            return body[:at] + draw(st.binary(min_size=1, max_size=8)) + body[at:]
        case "flip":
            return (
                body[:at]
                + bytes(b ^ draw(st.integers(1, 255)) for b in body[at : at + 1])
                + body[at + 1 :]
            )
        case "leave out":
            return body[:at] + body[at + draw(st.integers(1, 8)) :]
        case "nest":
            return b"[" * draw(st.integers(1, 3000)) + body
    return draw(st.binary(max_size=200))


HEADERS = st.one_of(
    st.tuples(st.just("content-type"), st.sampled_from([
        b"application/json", b"text/csv", b"text/csv; charset=utf-8", b"application/octet-stream",
        b"text/plain", b"", b";", b"application/x-www-form-urlencoded", b"\xff", b"image/png",
        b"application/json; charset=latin-1", b"text/csv; charset=utf-16", b"text/csv; charset=euc-kr",
        b"text/csv; header=absent", b"application/x-ndjson", b"multipart/form-data",
        b"multipart/form-data; boundary=\"", b"multipart/form-data; boundary=b",
    ])),
    st.tuples(st.just("content-encoding"), st.sampled_from([b"gzip", b"deflate", b"identity", b"br", b""])),
    st.tuples(st.just("inference-header-content-length"), st.sampled_from([
        b"0", b"1", b"10", b"-1", b"9" * 20, b"9" * 5000, b"", b"x", b"\xb2", b"1e1",
    ])),
    st.tuples(st.just("x-request-id"), st.binary(max_size=40) | st.just(b"a-request-id")),
    st.tuples(st.just("traceparent"), st.binary(max_size=60)),
    st.tuples(st.sampled_from(["accept", "expect", "cookie", "x-a"]), st.binary(max_size=20)),
)  # fmt: skip
ROUTES = (
    "predict", "predict", "batch", "invocations", "csv", "lines", "form", "bytes", "seldon", "infer",
    "binary", "feedback", "any",
)  # fmt: skip
PREDICTING = st.sampled_from(
    ["/v1/iris/predict", "/v1/iris/batch", "/invocations", "/v1/models/iris:predict"]
)
SELDON = st.one_of(
    st.builds(lambda rows: {"data": {"names": NAMES, "ndarray": rows}}, ROWS),
    st.builds(lambda rows: {"data": {"ndarray": rows}}, ROWS | RECORDS | ROW),
    st.builds(
        lambda rows: {
            "data": {
                "tensor": {"shape": [len(rows), 4], "values": [v for row in rows for v in row]}
            }
        },
        ROWS,
    ),
    st.builds(lambda form: {"jsonData": form, "meta": {"puid": "a", "tags": {}}}, FORMS),
    st.builds(lambda text: {"strData": text}, st.text(max_size=8)),
    st.builds(lambda text: {"binData": text}, st.sampled_from(["", "AA==", "AA", "-_", "?"])),
)


@st.composite
def other_bodies(draw: st.DrawFn, route: str) -> tuple[bytes, bytes]:
    """(content type, body) of CSV, lines, a form, or bytes."""
    rows = draw(ROWS)
    if route == "csv":
        lines = [",".join(NAMES), *(",".join(map(repr, row)) for row in rows)]
        charset = draw(st.sampled_from(["", "utf-8", "utf-16", "latin-1"]))
        kind = f"text/csv; charset={charset}" if charset else "text/csv"
        return kind.encode(), "\n".join(lines).encode(charset or "utf-8")
    if route == "lines":
        values = (
            draw(st.lists(ROW | RECORD | ODD, min_size=1, max_size=3))
            if draw(st.booleans())
            else rows
        )
        text = "\n".join(json.dumps(value) for value in values)
        return b"application/x-ndjson", text.encode()
    if route == "bytes":
        kinds = ["image/png", "application/octet-stream", "audio/wav"]
        return draw(st.sampled_from(kinds)).encode(), draw(st.binary(max_size=40))
    fields: list[tuple[str, Any]] = [
        (name, repr(value)) for row in rows for name, value in zip(NAMES, row, strict=True)
    ]
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(fields) - 1))
        name = draw(st.sampled_from([*NAMES, "file"]) | st.text(max_size=5))
        field = draw(st.sampled_from(["", "x", "1e999", "NaN", ("a.png", b"\xff\0", "image/png")]))
        fields[at] = name, field
    body, kind = encode_multipart_formdata(fields, draw(st.sampled_from(["b", "b" * 70])))
    return kind.encode(), body


@st.composite
def requests(draw: st.DrawFn) -> Sent:
    """One request: now and then a valid one."""
    route = draw(st.sampled_from(ROUTES))
    headers: list[tuple[str, bytes]] = []
    path, body = "/v1/iris/" + route, b""
    bends = draw(st.integers(0, 3))
    raw = b""
    if route in ("csv", "lines", "form", "bytes"):
        path = draw(PREDICTING)
        kind, body = draw(other_bodies(route))
        headers.append(("content-type", kind))
    else:
        asked: Any
        if route in ("infer", "binary"):
            path = "/v2/models/iris/infer"
            asked, raw = draw(inference())
        elif route == "seldon":
            path = draw(st.sampled_from([SELDON_PATH, "/v1/iris" + SELDON_PATH]))
            asked = draw(SELDON)
        elif route == "feedback":
            asked = {"id": draw(st.text(min_size=8, max_size=20)), "feedback": draw(ODD)}
        else:
            asked = draw(FORMS)
        if route == "invocations":
            path = "/invocations"
        if route == "any":
            path = draw(
                st.sampled_from(["/", "/v1/iris", "/v1/models/iris:predict", "/livez", "/v2"])
            )
        asked = json.loads(json.dumps(asked))
        for _ in range(bends):
            asked = bend(draw, asked)
        head = json.dumps(asked, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
        if raw or route == "binary":
            headers.append(("inference-header-content-length", b"%d" % len(head)))
        body = head + raw
    if draw(st.integers(0, 2)) == 0:
        body = break_bytes(draw, body)
    if draw(st.integers(0, 9)) == 0:
        body = gzip.compress(body, mtime=0)
        headers.append(("content-encoding", b"gzip"))
    if draw(st.integers(0, 3)) == 0:
        headers += draw(st.lists(HEADERS, min_size=1, max_size=3))
    return Sent(path, tuple(headers), body)
