"""Counts of input values, missing values and values that were refused for their range."""

from __future__ import annotations

from typing import Any

from servestack_contract.settings import NESTED_TYPES
from servestack_server.errors import RequestError
from servestack_server.input.schema import Schema, TableSchema
from servestack_server.metrics import ServerMetrics

_OUT_OF_RANGE = ("out_of_range", "not_allowed")


class InputCounts:
    """Counts inputs into the metrics, by column. Does nothing if the input is not a table.

    Columns that hold other values, and a column without a name, are left out.
    """

    def __init__(self, schema: Schema, metrics: ServerMetrics, *, is_on: bool) -> None:
        self._metrics = metrics
        self.is_on = is_on and isinstance(schema, TableSchema)
        if not self.is_on:
            return
        columns = schema.columns or ()
        flat = [column.name for column in columns if column.type not in NESTED_TYPES]
        metrics.drift_columns = tuple(name for name in flat if name)
        self._optional = [
            (at, column.name)
            for at, column in enumerate(columns)
            if column.may_be_null and column.name in metrics.drift_columns
        ]

    def count(self, rows: Any, size: int) -> None:
        """Count `size` rows that a model has seen. A row has one value per column."""
        metrics = self._metrics
        metrics.rows_seen += size
        for at, name in self._optional:
            missing = [row[at] for row in rows].count(None)
            metrics.missing_values[name] = metrics.missing_values.get(name, 0) + missing

    def refused(self, error: RequestError) -> None:
        """Count a value that was refused because it is outside its column's range or enum."""
        if error.code in _OUT_OF_RANGE and error.field in self._metrics.drift_columns:
            outside = self._metrics.input_out_of_range
            outside[error.field] = outside.get(error.field, 0) + 1
