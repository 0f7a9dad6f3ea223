"""Holds answers until the events of their requests are written (`durability: process`)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Set
from http import HTTPStatus
from typing import Any, TypeAlias

from servestack_server.api.errors import fail
from servestack_server.errors import RequestError
from servestack_server.events.log import EventLog
from servestack_server.http.request import Held, Request
from servestack_server.server_log import log_failure

log = logging.getLogger(__name__)

LogAccess: TypeAlias = Callable[[Request, int, Request | None], None]
"""Logs an answer of a request: the request, the status, and who owns the event."""


class AfterLog:
    """Sends the answers of one turn of the event loop after one write of their events.

    A handler answers and logs in any order, if it does both in one turn. A request gets 503 in place
    of its answer if it owns an event that was not written. `log_access` is None if accesses are not
    logged.
    """

    def __init__(self, event_log: EventLog, log_access: LogAccess | None) -> None:
        self._held: list[Held] = []
        self._log = event_log
        self._log_access = log_access
        self._loop = asyncio.get_running_loop()
        self._is_scheduled = False
        self._is_delivering = False

    def hold(self, answer: Held) -> None:
        """Keep an answer until the end of its batch, or else of this turn of the event loop."""
        self._held.append(answer)
        if not (self._is_delivering or self._is_scheduled):
            self.schedule()

    def delivering(self, is_delivering: bool) -> None:
        """Hear that the answers of a batch begin, or end: then they leave."""
        self._is_delivering = is_delivering
        if not is_delivering:
            self.release()

    def schedule(self) -> None:
        """Call `release` at the end of this turn."""
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._end_turn)

    def release(self) -> None:
        """Write the events that wait, then send the answers that wait."""
        held = self._held.copy()
        self._held.clear()
        refused = self._write()
        if refused:
            held, replaced = self._replaced(held, refused)
            held += replaced
        if self._log_access is not None:
            held = self._with_access(held, self._log_access)
        for request, status, shown, content_type, headers, body in held:
            try:
                request.respond(request, shown, content_type, headers, body)
                request.on_answered(request, status)  # type: ignore[misc]
            except Exception as error:  # The other answers must leave.
                log_failure(log, "an answer could not be sent", error, request.id)

    def _end_turn(self) -> None:
        self._is_scheduled = False
        self.release()

    def _with_access(self, held: list[Held], log_access: LogAccess) -> list[Held]:
        """Log the accesses, and return the answers with those replaced that are not logged."""
        for request, status, *_ in held:
            log_access(request, status, request)
        refused = self._write()
        if not refused:
            return held
        held, replaced = self._replaced(held, refused)
        for request, status, *_ in replaced:
            log_access(request, status, None)  # A refusal cannot be refused.
        self._write()
        return held + replaced

    def _write(self) -> Set[Any]:
        try:
            return self._log.write_turn()
        except Exception as error:  # The answers must leave.
            log_failure(log, "events could not be written", error)
            return frozenset()

    def _replaced(self, held: list[Held], refused: Set[Any]) -> tuple[list[Held], list[Held]]:
        """Return the answers to requests that are not refused, and refusals of the others."""
        kept = [answer for answer in held if answer[0] not in refused]
        for request, *_ in held:
            if request in refused:
                request.answered = False
                fail(request, _not_logged())
        refusals = self._held.copy()
        self._held.clear()
        return kept, refusals


def _not_logged() -> RequestError:
    return RequestError(
        HTTPStatus.SERVICE_UNAVAILABLE, "log_full", "the event of this request cannot be written now",
        retry_after_seconds=5,
    )  # fmt: skip
