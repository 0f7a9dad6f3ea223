"""The errors that stop the start of the server, and those that fail one request."""

from __future__ import annotations

from http import HTTPStatus


class StartError(Exception):
    """The server, or the fetch before it, cannot start. The user sees the message, no traceback.

    `hint` says what would be right.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class RequestError(Exception):
    """One request cannot be answered.

    `code` is stable; `message` is for people. `field` is the column or field of the body at fault,
    and `row` the index of the row, if a single one is at fault. `headers` are whole header lines
    for the answer, each with its CRLF.
    """

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        message: str,
        *,
        field: str = "",
        row: int | None = None,
        retry_after_seconds: int | None = None,
        headers: bytes = b"",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.row = row
        self.retry_after_seconds = retry_after_seconds
        self.headers = headers


def internal_error() -> RequestError:
    """Return the error (500) that a caller sees for a fault of the server. The log has details."""
    message = "the server failed; see its log"
    return RequestError(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", message)


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, at most 300 characters, or else its type's name.

    For errors of foreign code that are quoted in a message.
    """
    return str(error).strip().partition("\n")[0][:300] or type(error).__name__
