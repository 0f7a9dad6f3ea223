"""Counts input values that were refused for their range."""

from __future__ import annotations

from servestack_contract.settings import NESTED_TYPES
from servestack_server.errors import RequestError
from servestack_server.input.schema import Schema, TableSchema
from servestack_server.metrics import ServerMetrics

_OUT_OF_RANGE = ("out_of_range", "not_allowed")


class InputCounts:
    """Counts refused values into the metrics, by column. Does nothing if the input is not a table.

    Columns that hold other values, and a column without a name, are left out.
    """

    def __init__(self, schema: Schema, metrics: ServerMetrics, *, is_on: bool) -> None:
        self._metrics = metrics
        if is_on and isinstance(schema, TableSchema):
            flat = [column.name for column in schema.columns if column.type not in NESTED_TYPES]
            metrics.drift_columns = tuple(name for name in flat if name)

    def refused(self, error: RequestError) -> None:
        """Count a value that was refused because it is outside its column's range or enum."""
        if error.code in _OUT_OF_RANGE and error.field in self._metrics.drift_columns:
            outside = self._metrics.input_out_of_range
            outside[error.field] = outside.get(error.field, 0) + 1
