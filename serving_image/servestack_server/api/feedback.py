"""`POST <basePath>/feedback`: feedback about a prediction, joined to it by the request's id."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

import msgspec

from servestack_server.api.content import body_of, require_json
from servestack_server.errors import RequestError
from servestack_server.events.answered import Answered
from servestack_server.events.values import to_json
from servestack_server.http.request import Request
from servestack_server.input.bodies import decode_json
from servestack_server.input.problems import invalid
from servestack_server.prediction.graph import GraphTarget
from servestack_server.service import Service


class _Feedback(msgspec.Struct, forbid_unknown_fields=True):
    id: Annotated[str, msgspec.Meta(min_length=8, max_length=128)]
    feedback: Any


class FeedbackEndpoint:
    """Answers 202 once the event log has taken the feedback, 503 if it cannot."""

    def __init__(self, service: Service, path: str) -> None:
        self._service = service
        self._path = path
        self._max_body_bytes = service.settings.limits.max_body_bytes

    def __call__(self, request: Request) -> None:
        """Check and log the feedback. The event has the prediction's id, not this request's."""
        body = body_of(request, self._max_body_bytes)
        require_json(request, body)
        try:
            given = msgspec.convert(decode_json(body), _Feedback)
        except msgspec.ValidationError as error:
            raise invalid(
                "invalid_feedback", f'expected {{"id": "<request id>", "feedback": …}}: {error}'
            ) from None
        service = self._service
        if isinstance(service.root, GraphTarget):
            service.root.reward(given.id, given.feedback)
        entry = service.entry()
        about = Answered(
            to_json(given.id)[1:-1], request.headers.get(b"traceparent"), entry.name,
            entry.version, self._path, 202,
        )  # fmt: skip
        if not service.log.feedback(about, given.feedback, request):
            raise RequestError(
                HTTPStatus.SERVICE_UNAVAILABLE, "log_full", "the event log cannot take the feedback now",
                retry_after_seconds=5,
            )  # fmt: skip
        request.answer_json(202, {"id": given.id})
