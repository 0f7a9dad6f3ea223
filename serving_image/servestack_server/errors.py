"""What can go wrong: before the server answers, and in a request."""

from __future__ import annotations

from http import HTTPStatus


class StartError(Exception):
    """The server, or the fetch before it, cannot do its work: one message, no traceback.

    `hint` says what would be right.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class RequestError(Exception):
    """One request cannot be answered. `code` is stable, `field` is where in the body.

    `row` is the index of the row at fault, where a single one is. `headers` are whole lines for
    the head of the answer.
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
    """What a caller is told of a fault of ours; the log has the rest."""
    message = "the server failed; see its log"
    return RequestError(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", message)


def first_line(error: BaseException) -> str:
    """What an error of other people's code says, short enough for a message of ours."""
    return str(error).strip().partition("\n")[0][:300] or type(error).__name__
