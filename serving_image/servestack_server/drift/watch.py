"""Takes the rows that were answered, and counts them when the event loop has time.

Answering a request only appends to a list. A tenth of a second later the loop counts what has come
together, in turns of a fraction of a millisecond between which it answers. The work is bounded: of
more rows than `rows_per_second`, a sample is counted, and the others cost a comparison each request.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from servestack_contract.artifact import ArtifactError
from servestack_contract.profile import FILE, Profile, profile_id, read_profile
from servestack_contract.references import entry_names
from servestack_contract.settings import Drift, ServerSettings
from servestack_server.drift.exposition import DriftExposition
from servestack_server.drift.first_rows import FirstRows
from servestack_server.drift.input_reader import InputReader
from servestack_server.drift.model_watch import ModelWatch, make_reference
from servestack_server.drift.row_sample import RowSample
from servestack_server.input.schema import Schema
from servestack_server.metrics import ServerMetrics
from servestack_server.prediction.outputs import part_of

log = logging.getLogger(__name__)

PERIOD_SECONDS = 0.1
"""Time for which rows wait, and in which each model has its share of the rows that are counted."""
TURN_VALUES = 8192
"""Values that are counted in one turn, which takes about half a millisecond."""
MAX_WAITING_ROWS = 50_000
COMPACT_ROWS = 1024
"""Rows that are put into an array at once, which takes a tenth of a millisecond. More wait as they are."""
_NO_OUTPUTS = ()
"""Stands for outputs that cannot be divided by rows. No profile has this form, so they are skipped."""


_Waiting = tuple[ModelWatch, Any, Any]
"""What counts them, the rows, and the outputs: None if those are not the model's own."""


class DriftWatch:
    """Counts for the models that take the service's input. Belongs to the event loop's thread.

    A profile that cannot be used keeps no model from being served: the log and a metric say so.
    """

    def __init__(
        self, settings: ServerSettings, schema: Schema, metrics: ServerMetrics, given: Drift
    ) -> None:
        self._given = given
        self._reader = InputReader(schema)
        self._redacted = _redacted(settings)
        entries = entry_names(settings)
        self._share = max(1, int(given.rows_per_second * PERIOD_SECONDS) // len(entries))
        self._watches = {
            place.name: self._watch(place.name, Path(place.path))
            for place in settings.models
            if place.name in entries
        }
        self._first = next(iter(self._watches.values()))
        self._turn_rows = max(1, TURN_VALUES // (self._reader.width or 10))
        self._waiting: deque[_Waiting] = deque()
        self._waiting_rows = 0
        self._is_scheduled = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._profiling: set[asyncio.Task[None]] = set()
        self._exposition = DriftExposition(metrics, list(self._watches.values()))
        metrics.drift_text = self._exposition.text
        metrics.rows_seen = lambda: sum(watch.sample.seen for watch in self._watches.values())

    def count(self, model: str, rows: Any, outputs: Any) -> None:
        """Take rows that were answered, and one output for each. `model` names who answered.

        Of an answer of several models the inputs alone are counted, for the first model.
        """
        watch = self._watches.get(model, self._first)
        sample, size = watch.sample, len(rows)
        sample.seen += size
        if sample.gap >= size:
            sample.gap -= size
            return
        chosen = sample.take(size)
        if self._waiting_rows + len(chosen) > MAX_WAITING_ROWS:
            watch.skipped["busy"] += len(chosen)
            return
        if len(chosen) < size:
            rows, outputs = _chosen(rows, outputs, chosen)
        if self._reader.has_large_values:
            rows = self._reader.without_large_values(rows)
        elif len(chosen) <= COMPACT_ROWS:
            rows = self._reader.compact(rows)
        self._waiting.append((watch, rows, outputs if model in self._watches else None))
        self._waiting_rows += len(chosen)
        if not self._is_scheduled:
            self._is_scheduled = True
            if self._loop is None:
                self._loop = asyncio.get_running_loop()
            self._loop.call_later(PERIOD_SECONDS, self._turn)

    def _turn(self) -> None:
        """Count some of what waits, and come back for the rest after others had their turn."""
        try:
            self._count_some()
        except Exception:
            # Whatever a model answers: counting must not stop, and concerns no caller.
            log.exception("some rows were not counted for drift")
        if self._waiting:
            self._loop.call_soon(self._turn)  # type: ignore[union-attr]
            return
        # Periods follow one another while rows come. Without any, every sample takes the next row.
        came = [watch.sample.renew() for watch in self._watches.values()]
        if any(came):
            self._loop.call_later(PERIOD_SECONDS, self._turn)  # type: ignore[union-attr]
        else:
            self._is_scheduled = False

    def _count_some(self) -> None:
        """Count what waits first, together with what follows of the same model and form."""
        waiting = self._waiting
        if not waiting:
            return
        watch, rows, outputs = waiting[0]
        kind, output_kind = type(rows), type(outputs)
        parts, answers, size = [], [], 0
        while waiting and size < self._turn_rows:
            own, rows, outputs = waiting[0]
            if own is not watch or type(rows) is not kind or type(outputs) is not output_kind:
                break
            waiting.popleft()
            if len(rows) > 2 * self._turn_rows:
                first, rest = _divided((own, rows, outputs), self._turn_rows)
                waiting.appendleft(rest)
                _, rows, outputs = first
            parts.append(rows)
            answers.append(outputs)
            size += len(rows)
        self._waiting_rows -= size
        if size and watch.watches:
            watch.add(parts, None if answers[0] is None else answers, size)
        first_rows = watch.first_rows
        if first_rows is not None and first_rows.is_complete:
            watch.first_rows = None
            task = self._loop.create_task(self._profile(watch, first_rows))  # type: ignore[union-attr]
            self._profiling.add(task)
            task.add_done_callback(self._profiling.discard)

    async def _profile(self, watch: ModelWatch, first: FirstRows) -> None:
        """Make the first rows the reference. Rows that are answered meanwhile are not counted."""
        try:
            profile = await asyncio.to_thread(first.profile)
        except Exception:
            watch.problems["input"] = 1
            log.exception("%s: no profile can be made of the first %d rows", watch.name, first.rows)
            return
        positions = dict(zip(first.columns, first.positions, strict=True))
        watch.reference = make_reference(
            f"first-{uuid4().hex[:8]}", "first_rows", profile,
            [positions.get(column.name) for column in profile.columns], set(positions),
        )  # fmt: skip
        self._exposition.refresh()
        log.info("%s: the first %d rows are now the reference for drift", watch.name, first.rows)

    def _watch(self, name: str, folder: Path) -> ModelWatch:
        """Read the profile of a model, or prepare to make one."""
        watch = ModelWatch(name, self._reader, RowSample(self._share))
        file = folder / FILE
        try:
            profile = read_profile(file) if file.is_file() else None
        except ArtifactError as error:
            watch.problems["profile"] = 1
            log.warning("%s: inputs are not watched for drift: %s", name, error)
            return watch
        if profile is not None:
            self._use(watch, profile, profile_id(file.read_bytes()))
        else:
            self._collect(watch)
        return watch

    def _use(self, watch: ModelWatch, profile: Profile, id: str) -> None:
        names = [column.name for column in profile.columns]
        wanted = self._chosen(names)
        positions = self._reader.positions(profile)
        lacking = [
            name for name, at in zip(names, positions, strict=True) if at is None and name in wanted
        ]
        lacking += sorted(set(self._given.columns or ()) - {*names} - {*self._redacted})
        if lacking:
            watch.problems["columns"] = len(lacking)
            log.warning(
                "%s: %d columns are not watched for drift, since the profile and the input do not "
                "both have them: %s", watch.name, len(lacking), ", ".join(lacking[:10]),
            )  # fmt: skip
        watch.reference = make_reference(id, "training", profile, positions, wanted)

    def _collect(self, watch: ModelWatch) -> None:
        names = self._chosen(list(self._reader.columns))
        columns = {name: at for name, at in self._reader.columns.items() if name in names}
        if not columns:
            watch.problems["input"] = 1
            log.warning(
                "%s: inputs are not watched for drift: the artifact has no %s, and the input has no "
                "columns that can be counted", watch.name, FILE,
            )  # fmt: skip
            return
        watch.first_rows = FirstRows(self._reader, columns, self._given.baseline_rows)
        log.info(
            "%s: the artifact has no %s, so the first %d rows will be the reference for drift",
            watch.name, FILE, self._given.baseline_rows,
        )  # fmt: skip

    def _chosen(self, names: Sequence[str]) -> set[str]:
        """Return the columns to watch. What events redact must not show in a label either."""
        asked = self._given.columns
        able = [name for name in names if name not in self._redacted]
        if asked is not None:
            able = [name for name in able if name in asked]
        return set(able[: self._given.max_columns])


def _redacted(settings: ServerSettings) -> Mapping[str, Any]:
    events = settings.events
    return events.predictions.redact if events and events.predictions else {}


def _chosen(rows: Any, outputs: Any, chosen: range) -> tuple[Any, Any]:
    """Return the rows at some places, and their outputs. Outputs that are not one for each row stay
    out."""
    start, end, step = chosen.start, chosen.stop, chosen.step
    try:
        outputs = part_of(outputs, start, end, step)
    except (TypeError, KeyError, IndexError):
        outputs = _NO_OUTPUTS
    if isinstance(outputs, np.ndarray):
        outputs = outputs.copy()  # a view would keep the whole batch
    return rows[start:end:step], outputs


def _divided(given: _Waiting, size: int) -> tuple[_Waiting, _Waiting]:
    """Return the first rows, and the others. Outputs that are not one for each row stay out."""
    watch, rows, outputs = given
    try:
        answers = part_of(outputs, 0, size), part_of(outputs, size, len(rows))
    except (TypeError, KeyError, IndexError):
        answers = _NO_OUTPUTS, _NO_OUTPUTS
    return (watch, rows[:size], answers[0]), (watch, rows[size:], answers[1])
