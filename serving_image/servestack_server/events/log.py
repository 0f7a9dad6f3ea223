"""The event log: one event for each prediction, access, feedback, and event of the owner's code."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence, Set
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
from servestack_server.events.prediction import PredictionEvents, Quick
from servestack_server.events.prompt_writer import PromptWriter
from servestack_server.events.writer import EventWriter


class EventLog:
    """Builds events and hands them to the writer. Only `custom` may be called from any thread.

    Without a writer nothing is logged. `pins` hold the version and digest of each model.

    The `owner` of an event is the request that must not be answered if the event is not written. It
    is of use where the writer is a PromptWriter: predictions and accesses then have an owner if the
    spec has `whenFull: unready`, feedback always, and custom events never, because nobody can tell
    which request they come from. `on_custom` is called after each of them in the event loop.

    `is_before_answers`: an event has to be written by `write_turn` before its answer leaves.

    `log_quick` logs a prediction whose rows and values exist as JSON, if they have together fewer
    bytes than `quick_bytes`, and `takes_predictions`.
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
        self._refuses = settings.events is not None and settings.events.when_full == "unready"
        self.on_custom: Callable[[], None] = _nothing
        self.is_before_answers = isinstance(writer, PromptWriter)
        self._quick: list[Quick] = []
        self.quick_bytes = self._predictions.quick_bytes if self._predictions.takes_json else 0
        self.log_quick: Callable[[Quick], None] = (
            self._quick.append if self.is_before_answers else self._append_quick
        )
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

    def write_turn(self) -> Set[Any]:
        """Write what a PromptWriter has to write. Returns the owners of what is not written."""
        writer, quick = self.writer, self._quick
        if not isinstance(writer, PromptWriter):
            return frozenset()
        if quick:
            try:
                lines = self._predictions.as_json(quick)
                owners = [one[0] for one in quick] if self._refuses else ()
                writer.extend("predictions", lines, len(quick), owners)
            finally:
                quick.clear()
        return writer.write_turn()

    def _append_quick(self, quick: Quick) -> None:
        self._append("predictions", self._predictions.as_json((quick,))[:-1], None)

    def prediction(self, answered: Answered, owner: Any) -> None:
        """Log a prediction that was answered, if it is sampled. Check `takes_predictions` first."""
        line = self._predictions.line(answered)
        if line is not None:
            self._append("predictions", line, owner if self._refuses else None)

    def feedback(self, answered: Answered, feedback: Any, owner: Any) -> bool:
        """Log a caller's feedback about an answer. Returns False if the log cannot take it."""
        return self._append("feedback", self._others.feedback(answered, time(), feedback), owner)

    def access(self, answered: Answered, owner: Any) -> None:
        """Log an HTTP request."""
        line = self._others.access(answered, time())
        self._append("access", line, owner if self._refuses else None)

    def custom(self, answered: Answered, name: str, values: Any) -> None:
        """Log an event of the owner's code, which may run in any thread."""
        if not self.wants("custom"):
            return
        line = self._others.custom(answered, time(), name, values)
        if threading.get_ident() == self._thread:
            self._append_custom(line)
        elif self._loop is not None:
            self._loop.call_soon_threadsafe(self._append_custom, line)

    def _append_custom(self, line: bytes) -> None:
        self._append("custom", line, None)
        self.on_custom()


def _not_kept(kind: str, line: bytes, owner: Any) -> bool:
    return False


def _nothing() -> None:
    pass
