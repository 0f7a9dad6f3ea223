"""Turns answers that are not one array into one entry for each row, as far as they have rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from servestack_server.models.model import Predict, Rows
from servestack_server.plain import column_values, plain


def by_row(answer: Any) -> Any:
    """Turn a DataFrame into a mapping of its columns, a Series and an iterator into their values, and
    a sparse matrix into an array.

    A mapping keeps its values, and what has no rows stays as it is: then it is no answer by row.
    """
    if hasattr(answer, "iloc"):
        if answer.ndim == 2:
            columns = range(len(answer.columns))
            return {str(answer.columns[at]): _values(answer.iloc[:, at]) for at in columns}
        return _values(answer)
    if isinstance(answer, Mapping):
        return {str(name): by_row(values) for name, values in answer.items()}
    if hasattr(answer, "toarray"):
        return answer.toarray()
    return plain(answer) if isinstance(answer, Iterator) else answer


def _values(series: Any) -> Any:
    is_array = isinstance(series.dtype, np.dtype) and series.dtype.kind in "biuf"
    return series.to_numpy() if is_array else column_values(series)


def answering_by_row(function: Callable[[Any], Any], make_input: Callable[[Rows], Any]) -> Predict:
    """Return the function from rows to the answers of an estimator's `function`, one for each row.

    `predict_proba` of several outputs gives a list of arrays (rows, classes): each row gets a list with
    its shares of each output.
    """

    def predict(rows: Rows) -> Any:
        answer = function(make_input(rows))
        if type(answer) is np.ndarray:
            return answer
        if isinstance(answer, list) and all(isinstance(part, np.ndarray) for part in answer):
            return [list(row) for row in zip(*(part.tolist() for part in answer), strict=True)]
        return by_row(answer)

    return predict
