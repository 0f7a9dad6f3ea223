"""The counts of one model: its profile, and what has been counted into the profile's buckets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from servestack_contract.buckets import Counts, counter_of
from servestack_contract.drift import FALSE_ALARMS, FIRST_ROWS_PODS, chi_squared_quantile
from servestack_contract.profile import Profile, ProfiledColumn, column_label, shares
from servestack_server.drift.first_rows import FirstRows
from servestack_server.drift.input_reader import InputReader, OtherFormError, Values
from servestack_server.drift.output_reader import read_outputs
from servestack_server.drift.row_sample import RowSample

Source = Literal["training", "first_rows"]
Side = Literal["input", "prediction"]

PROBLEMS = ("profile", "columns", "input")
SKIPPED = ("busy", "form", "outputs")


class WatchedColumn:
    """One column of a profile, and its counts since the start.

    `limit` is the quantile of the chi-squared distribution with which it is compared.
    """

    __slots__ = ("_count", "counts", "label", "labels", "limit", "shares", "side")

    def __init__(self, side: Side, column: ProfiledColumn, tail: float) -> None:
        self.side = side
        self.label = column_label(column.name)
        self.labels = column.labels
        self.shares = shares(column.all_counts)
        self.limit = chi_squared_quantile(tail, column.degrees_of_freedom)
        self.counts: Counts = np.zeros(len(self.labels), dtype=np.int64)
        self._count = counter_of(column)

    def add(self, values: Values) -> None:
        """Count the values of some rows."""
        self.counts += self._count(values)


@dataclass(slots=True)
class Reference:
    """A profile that is compared with. `id` tells it from those of other versions and pods."""

    id: str
    source: Source
    profile: Profile
    inputs: list[WatchedColumn]
    outputs: list[WatchedColumn]
    positions: list[int]


@dataclass(slots=True)
class ModelWatch:
    """What is counted for one model. Belongs to the event loop's thread.

    `reference` is None until there is a profile; `first_rows` collects the rows for one.
    """

    name: str
    reader: InputReader
    sample: RowSample
    reference: Reference | None = None
    first_rows: FirstRows | None = None
    skipped: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SKIPPED, 0))
    problems: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PROBLEMS, 0))

    @property
    def left_out(self) -> dict[str, int]:
        """Rows that were not counted, by reason."""
        return {**self.skipped, "sampled": self.sample.seen - self.sample.taken}

    @property
    def watches(self) -> bool:
        """Whether rows are of any use now."""
        return self.reference is not None or self.first_rows is not None

    def add(self, rows: Sequence[Any], outputs: Sequence[Any] | None, size: int) -> None:
        """Count the rows and outputs of some requests, whose rows are `size` together.

        Outputs are None where the answer is not that of this model alone.
        """
        try:
            if self.reference is not None:
                self._count(self.reference, rows, outputs, size)
            elif self.first_rows is not None:
                self.first_rows.add(rows, outputs, size)
        except OtherFormError:
            self.skipped["form"] += size

    def _count(
        self, reference: Reference, rows: Sequence[Any], outputs: Sequence[Any] | None, size: int
    ) -> None:
        width = self.reader.width or reference.profile.width
        inputs = self.reader.read(rows, reference.positions, width)
        for column, values in zip(reference.inputs, inputs, strict=True):
            column.add(values)
        if outputs is None or not reference.outputs:
            return
        names = [column.name for column in reference.profile.predictions]
        try:
            found = read_outputs(outputs, names, size)
        except OtherFormError:
            self.skipped["outputs"] += size
            return
        for column, name in zip(reference.outputs, names, strict=True):
            column.add(found[name])


def make_reference(
    id: str, source: Source, profile: Profile, positions: Sequence[int | None], watched: set[str]
) -> Reference:
    """Choose the columns of a profile that have a position in the input and are to be watched.

    The limits hold for all of them together: the more columns, the higher.
    """
    chosen = [
        (column, at)
        for column, at in zip(profile.columns, positions, strict=True)
        if at is not None and column.name in watched
    ]
    pods = FIRST_ROWS_PODS if source == "first_rows" else 1
    tail = FALSE_ALARMS / pods / max(1, len(chosen) + len(profile.predictions))
    return Reference(
        id, source, profile,
        [WatchedColumn("input", column, tail) for column, _ in chosen],
        [WatchedColumn("prediction", column, tail) for column in profile.predictions],
        [at for _, at in chosen],
    )  # fmt: skip
