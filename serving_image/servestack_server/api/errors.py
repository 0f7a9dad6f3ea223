"""How an error is told: each protocol has a form of its own."""

from __future__ import annotations

from enum import Enum
from typing import Any

from servestack_server.errors import RequestError
from servestack_server.http.request import Request


class ErrorForm(Enum):
    """OWN: `{"error": {"code", "message", …}, "id"}` under the error's status. OK200: the same under
    status 200, with the real one in it. V2: as the Open Inference Protocol has it, with our code."""

    OWN = "own"
    OK200 = "ok200"
    V2 = "v2"


def form_of_path(path: str) -> ErrorForm:
    """The form for a path that nothing answers."""
    return ErrorForm.V2 if path.startswith("/v2/") else ErrorForm.OWN


def fail(request: Request, error: RequestError) -> None:
    """Answer a request with an error, in the form of its route."""
    headers = error.headers
    if error.retry_after_seconds is not None:
        headers += b"retry-after: %d\r\n" % error.retry_after_seconds
    form = request.route.error_form
    if form is ErrorForm.V2:
        told: dict[str, Any] = {"error": error.message, "code": error.code, "id": request.id}
    else:
        told = {"error": described(error, form), "id": request.id}
    request.answer_json(int(error.status), told, headers, shown=shown(int(error.status), form))


def shown(status: int, form: ErrorForm) -> int:
    """The status that a caller sees."""
    return 200 if form is ErrorForm.OK200 and status >= 400 else status


def described(error: RequestError, form: ErrorForm) -> dict[str, Any]:
    """An error as JSON has it; with the status where the answer's own says 200."""
    told: dict[str, Any] = {"code": error.code, "message": error.message}
    if form is ErrorForm.OK200:
        told["status"] = int(error.status)
    if error.field:
        told["field"] = error.field
    if error.row is not None:
        told["row"] = error.row
    return told
