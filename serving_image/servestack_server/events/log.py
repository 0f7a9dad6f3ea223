"""The event log: one event for each prediction, access, feedback, and event of the owner's code."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from time import time
from typing import Any

from msgspec import structs

from servestack_contract.artifact import Pin
from servestack_contract.events import Kind
from servestack_contract.settings import Events, ServerSettings
from servestack_contract.variant import Variant
from servestack_server.events.answered import Answered
from servestack_server.events.origin import Origin
from servestack_server.events.others import OtherEvents
from servestack_server.events.prediction import PredictionEvents
from servestack_server.events.writer import EventWriter


class EventLog:
    """Builds events and hands them to the writer. Only `custom` may be called from any thread.

    Without a writer nothing is logged. `pins` hold the version and digest of each model.
    """

    def __init__(
        self,
        settings: ServerSettings,
        pins: Sequence[Pin],
        writer: EventWriter | None,
        origin: Origin = Origin(),  # noqa: B008 - it is frozen
    ) -> None:
        self.writer = writer
        self._origin = origin
        self._predictions = PredictionEvents(settings, pins=pins, origin=origin)
        self._others = OtherEvents(settings.events or Events(folder="", source=""), origin=origin)
        self._append = writer.append if writer is not None else _not_kept
        self.takes_predictions = writer is not None and self._predictions.is_on
        self._thread = threading.get_ident()
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Start the writer. Call it in the event loop, before the first event.

        Raises StartError if the folder for events cannot be used.
        """
        self._loop = asyncio.get_running_loop()
        if self.writer is not None:
            self.writer.start()

    def change_variant(self, variant: Variant) -> None:
        """Write another variant into the events that follow."""
        self._origin = structs.replace(self._origin, variant=variant)
        self._predictions.change_origin(self._origin)
        self._others.change_origin(self._origin)

    def wants(self, kind: Kind) -> bool:
        """Whether events of this kind are logged."""
        return self.writer is not None and self.writer.wants(kind)

    @property
    def takes_no_more(self) -> bool:
        """Whether the log is full and the spec wants every answer logged (`whenFull: unready`)."""
        return self.writer is not None and self.writer.is_full

    def prediction(self, answered: Answered) -> None:
        """Log a prediction that was answered, if it is sampled. Check `takes_predictions` first."""
        line = self._predictions.line(answered)
        if line is not None:
            self._append("predictions", line)

    def feedback(self, answered: Answered, feedback: Any) -> bool:
        """Log a caller's feedback about an answer. Returns False if the log cannot take it."""
        return self._append("feedback", self._others.feedback(answered, time(), feedback))

    def access(self, answered: Answered) -> None:
        """Log an HTTP request."""
        self._append("access", self._others.access(answered, time()))

    def custom(self, answered: Answered, name: str, values: Any) -> None:
        """Log an event of the owner's code, which may run in any thread."""
        if not self.wants("custom"):
            return
        line = self._others.custom(answered, time(), name, values)
        if threading.get_ident() == self._thread:
            self._append("custom", line)
        elif self._loop is not None:
            self._loop.call_soon_threadsafe(self._append, "custom", line)


def _not_kept(kind: str, line: bytes) -> bool:
    return False
