"""Writes errors in the form of each protocol."""

from __future__ import annotations

from enum import Enum
from http import HTTPStatus
from typing import Any

from servestack_contract import routes
from servestack_server.errors import RequestError
from servestack_server.http.request import Request


class ErrorForm(Enum):
    """The form of an error's answer.

    OWN is `{"error": {"code", "message", …}, "id"}` with the error's status. OK200 is the same body
    with status 200, and the real status in `error.status`. KSERVE is the form of the Open Inference
    Protocol and of KServe's V1 protocol, `{"error": message}`, with `code` and `id` added. MLFLOW is
    OWN with the fields of MLflow's scoring server, `error_code` and `message`, added. SELDON is that
    of Seldon Core 1: `{"status": {"code", "info", "reason", "status": "FAILURE"}, "meta"}`, with the
    error's status.
    """

    OWN = "own"
    OK200 = "ok200"
    KSERVE = "kserve"
    MLFLOW = "mlflow"
    SELDON = "seldon"


_MLFLOW_CODES = {
    HTTPStatus.UNAUTHORIZED: "UNAUTHENTICATED",
    HTTPStatus.FORBIDDEN: "PERMISSION_DENIED",
    HTTPStatus.NOT_FOUND: "ENDPOINT_NOT_FOUND",
    HTTPStatus.INTERNAL_SERVER_ERROR: "INTERNAL_ERROR",
    HTTPStatus.SERVICE_UNAVAILABLE: "TEMPORARILY_UNAVAILABLE",
}
"""MLflow's code for a status; BAD_REQUEST for any other. Source: mlflow/exceptions.py of 3.17."""


def form_of_path(path: str) -> ErrorForm:
    """Return the form of errors for a path that has no route, or whose request was not complete."""
    if path.endswith(routes.SELDON):
        return ErrorForm.SELDON
    if path.startswith((f"{routes.V2}/", f"{routes.V1_MODELS}/")):
        return ErrorForm.KSERVE
    mlflow = (routes.INVOCATIONS, f"{routes.DEPLOYMENTS}/")
    return ErrorForm.MLFLOW if path.startswith(mlflow) else ErrorForm.OWN


def fail(request: Request, error: RequestError) -> None:
    """Answer a request with an error, in the form of its route."""
    headers = error.headers
    if error.retry_after_seconds is not None:
        headers += b"retry-after: %d\r\n" % error.retry_after_seconds
    form = request.route.error_form
    if form is ErrorForm.KSERVE:
        told: dict[str, Any] = {"error": error.message, "code": error.code, "id": request.id}
    elif form is ErrorForm.SELDON:
        # Nothing else: its clients parse the answer as a protocol buffer, which refuses other fields.
        status = {"code": int(error.status), "info": error.message, "reason": error.code}
        told = {"status": status | {"status": "FAILURE"}, "meta": {"puid": request.id}}
    else:
        told = {"error": described(error, form), "id": request.id}
    if form is ErrorForm.MLFLOW:
        told |= {
            "error_code": _MLFLOW_CODES.get(error.status, "BAD_REQUEST"),
            "message": error.message,
        }
    request.answer_json(int(error.status), told, headers, shown=shown(int(error.status), form))


def shown(status: int, form: ErrorForm) -> int:
    """Return the status that the caller sees: 200 for every error in the form OK200."""
    return 200 if form is ErrorForm.OK200 and status >= 400 else status


def described(error: RequestError, form: ErrorForm) -> dict[str, Any]:
    """Return the JSON object of an error. In the form OK200 it has the real `status`."""
    told: dict[str, Any] = {"code": error.code, "message": error.message}
    if form is ErrorForm.OK200:
        told["status"] = int(error.status)
    if error.field:
        told["field"] = error.field
    if error.row is not None:
        told["row"] = error.row
    return told
