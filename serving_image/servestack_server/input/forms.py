"""Reads multipart/form-data (RFC 7578): files for a model that takes bytes, fields by column name.

    curl -F file=@cat.png -F file=@dog.png    two rows, for a model with one column of bytes
    curl -F image=@cat.png -F camera=north    one row, for a model with the columns image and camera

A field that is given n times makes n rows. Names of files and their own content types say nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from servestack_server.input.content_type import ContentType, parse_content_type
from servestack_server.input.csv_rows import cell_reader
from servestack_server.input.problems import invalid, malformed
from servestack_server.input.raw_bytes import no_bytes, takes_one_value
from servestack_server.input.records import from_columns
from servestack_server.input.schema import AnySchema, Schema, TableSchema

MAX_PARTS = 1000
"""Fields and files of one form, each of which costs time whatever its size."""
_AS_IT_IS = frozenset({"binary", "8bit", "7bit"})
"""Transfer encodings that change nothing. RFC 7578, 4.7: no other is used."""


class Part(NamedTuple):
    """A field of a form. A file is a part with a file name, or with a content type other than text.

    `given` is the part's own content type, `text/plain` if it has none.
    """

    name: str
    data: bytes
    is_file: bool
    given: ContentType

    @property
    def text(self) -> str:
        """The part as text. Raises RequestError as `ContentType.text` does."""
        return self.given.text(self.data)


def read_parts(body: bytes, given: ContentType) -> list[Part]:
    """Split the body of a form into its parts.

    Raises RequestError (400) if the body is not what its content type says, or has too many parts.
    """
    # Imported by the first form: most services never see one.
    from multipart import MultipartError, ParserLimitReached, PushMultipartParser

    parts: list[Part] = []
    boundary = given.parameters.get("boundary", "")
    _require_ends(body, boundary.encode())
    try:
        with PushMultipartParser(boundary, max_segment_count=MAX_PARTS, strict=True) as parser:
            segment: Any = None
            data = b""
            for event in parser.parse(body):
                if event is None:
                    parts.append(_part(segment, data))
                elif isinstance(event, bytes):
                    data = event  # All of it: the whole body was given at once.
                else:
                    segment, data = event, b""
    except ParserLimitReached:
        message = f"the form has more than {MAX_PARTS:,} fields, or the head of one is too long"
        raise malformed("malformed_form", message) from None
    except MultipartError as error:
        message = f"the body is not multipart/form-data of the boundary {boundary[:70]!r}: {error}"
        raise malformed("malformed_form", message) from None
    return parts


def form_rows(parts: list[Part], schema: Schema) -> list[Any]:
    """Return the rows of a form, unchecked: lists of one value, or records by column name.

    A text is read by the type of its column, as a cell of CSV is. Raises RequestError: 415 if the
    model takes neither bytes nor columns, 422 if there is no field, or one more often than another.
    """
    if not parts:
        raise invalid("no_rows", "the form has no fields")
    if not isinstance(schema, TableSchema | AnySchema):
        raise no_bytes(schema)
    if takes_one_value(schema) and all(part.is_file for part in parts):
        return [[part.data] for part in parts]
    values: dict[str, list[Any]] = {}
    for part in parts:
        values.setdefault(part.name, []).append(_value(part, schema))
    return from_columns(values, "the fields are not all given the same number of times")


def _require_ends(body: bytes, boundary: bytes) -> None:
    """Raise RequestError (400) for text before the first boundary, or behind the last one.

    The RFC for mail allows both, so the parser skips them. No client sends them, and in a body that
    was cut or put together they would be fields that are lost without a word.
    """
    end = b"--%b--" % boundary
    whole = body.rstrip()
    begins = whole.startswith(end[:-2])
    ends = whole == end or whole.find(b"\r\n" + end) == len(whole) - len(end) - 2
    if not (begins and ends):
        shown = boundary.decode()[:70]
        message = f"the body does not begin and end with the boundary {shown!r}"
        raise malformed("malformed_form", message)


def _part(segment: Any, data: bytes) -> Part:
    encoding = segment.header("Content-Transfer-Encoding", "binary").lower()
    if encoding not in _AS_IT_IS:
        message = f"field {segment.name!r}: the encoding {encoding[:40]!r} is not supported"
        raise malformed("malformed_form", message)
    given = parse_content_type(segment.header("Content-Type", "text/plain").encode())
    is_text = given.kind.startswith(("text/", "application/json"))
    return Part(segment.name, data, segment.filename is not None or not is_text, given)


def _value(part: Part, schema: Schema) -> Any:
    column = schema.positions.get(part.name) if isinstance(schema, TableSchema) else None
    takes_bytes = column is None or schema.columns[column].type == "binary"  # type: ignore[index]
    if part.is_file and takes_bytes:
        return part.data
    return cell_reader(part.name, schema)(part.text)
