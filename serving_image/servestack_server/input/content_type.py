"""The content type of a body: its kind, and its parameters.

Source: RFC 9110, 8.3.1. Parameters that a form does not know are ignored.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import NamedTuple

from servestack_server.errors import RequestError
from servestack_server.input.problems import malformed

_PARAMETER = re.compile(r';\s*([\w!#$&+.^`|~*-]+)=("(?:[^"\\]|\\.)*"|[^;\s"]*)')
_ESCAPED = re.compile(r"\\(.)")
_UTF_8 = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii"})
_CODECS = dict.fromkeys(_UTF_8, "utf-8-sig") | {
    "utf-16": "utf-16",
    "iso-8859-1": "iso-8859-1", "latin-1": "iso-8859-1", "latin1": "iso-8859-1",
    "windows-1252": "cp1252", "cp1252": "cp1252",
    "euc-kr": "cp949", "cp949": "cp949", "ks_c_5601-1987": "cp949",
}  # fmt: skip
"""Python's codec for each charset. Not all that Python knows: some codecs are no charsets, and some
take a time that grows with the square of the text."""


class ContentType(NamedTuple):
    """`kind` is in lower case, empty without a header; `parameters` have names in lower case."""

    kind: str
    parameters: dict[str, str]

    @property
    def is_json(self) -> bool:
        """Whether the kind is JSON: so is a body without a kind, and `application/geo+json`."""
        kind = self.kind
        return kind in ("", "application/json") or kind.endswith("+json")

    def require_utf_8(self) -> None:
        """Raise RequestError (415) if another charset than UTF-8 is declared."""
        charset = self.parameters.get("charset", "")
        if charset.lower() not in _UTF_8:
            raise _unsupported(self.kind, charset, "UTF-8")

    def text(self, body: bytes) -> str:
        """Decode a body of text by the declared charset, else as UTF-8, without a byte order mark.

        Raises RequestError: 415 for a charset that is not known, 400 for bytes that do not fit it.
        """
        charset = self.parameters.get("charset", "")
        codec = _CODECS.get(charset.lower())
        if codec is None:
            raise _unsupported(self.kind, charset, "UTF-8, or one of UTF-16, ISO-8859-1, EUC-KR")
        try:
            return body.decode(codec)
        except UnicodeDecodeError:
            what = charset or "UTF-8; declare another charset in Content-Type"
            raise malformed("malformed_text", f"the text is not {what}") from None


JSON = ContentType("", {})
"""The content type of a body without a header."""


def parse_content_type(header: bytes) -> ContentType:
    """Parse the header Content-Type. It never fails: what cannot be read is no kind that is known."""
    kind, semicolon, _ = (text := header.decode("latin-1")).partition(";")
    found = _PARAMETER.findall(text, len(kind)) if semicolon else ()
    parameters = {
        name.lower(): _ESCAPED.sub(r"\1", value[1:-1]) if value.startswith('"') else value
        for name, value in found
    }
    return ContentType(kind.strip().lower(), parameters)


def _unsupported(kind: str, charset: str, wanted: str) -> RequestError:
    return RequestError(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_type",
        f"{kind or 'text'} in the charset {charset!r} is not supported; send it in {wanted}",
    )  # fmt: skip
