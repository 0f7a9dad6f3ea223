"""Probes for liveness and readiness, and the metrics."""

from __future__ import annotations

from servestack_server.http.request import Request
from servestack_server.http.response import TEXT
from servestack_server.service import Service

_EXPOSITION = b"text/plain; version=0.0.4; charset=utf-8"


class Health:
    """Probes and metrics."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def live(self, request: Request) -> None:
        """GET /livez: 200 as long as the event loop runs."""
        request.answer(200, b"ok\n", TEXT)

    def ready(self, request: Request) -> None:
        """GET /readyz, /ping, /health: 503 before warm-up, while stopping, or if the log is full."""
        reason = self._service.unready_reason()
        if reason:
            request.answer(503, reason.encode() + b"\n", TEXT)
        else:
            request.answer(200, b"ok\n", TEXT)

    def metrics(self, request: Request) -> None:
        """GET /metrics, in Prometheus's text format."""
        request.answer(200, self._service.metrics.exposition(), _EXPOSITION)
