"""`POST <basePath>/batch`: predicts many rows, of which an invalid one fails alone."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from itertools import groupby, islice
from typing import Any

import numpy as np

from servestack_server.api.endpoint import Endpoint, RequestedJob
from servestack_server.api.errors import described, fail, shown
from servestack_server.errors import RequestError
from servestack_server.http.request import Request
from servestack_server.input.params import Params
from servestack_server.input.problems import invalid
from servestack_server.input.tensor_rows import TensorRows
from servestack_server.prediction.outputs import listed
from servestack_server.prediction.target import RequestJob

_CHUNK_ROWS = 256
"""Number of rows per call, so that other requests get their turn in between."""


class _Batch:
    """The state of one request: the rows that wait, by position, and the results so far."""

    def __init__(self, request: Request, size: int, params: Params | None) -> None:
        self.request = request
        self.params = params
        self.predictions: list[Any] = [None] * size
        self.errors: list[dict[str, Any]] = []
        self.waiting: list[tuple[list[int], list[Any]]] = []
        self.inputs: list[Any] = []
        self.last: RequestedJob | None = None

    def refuse(self, row: int, error: RequestError) -> None:
        told: dict[str, Any] = {"row": row, "code": error.code, "message": error.message}
        if error.field:
            told["field"] = error.field
        self.errors.append(told)


class BatchEndpoint(Endpoint):
    """Answers `{"predictions": [0, null, …], "errors": [{"row": 1, …}], …}`; 422 if no row is valid."""

    def __call__(self, request: Request) -> None:
        """Check all rows, then predict the valid ones in chunks."""
        self.service.require_room()
        loose = self.read_loose(request)
        self.check_count(loose)
        batch = _Batch(request, len(loose), self.params_of(request))
        good = self._good_rows(loose, batch)
        for chunk in _chunks(good):
            batch.waiting.append(([at for at, _ in chunk], [row for _, row in chunk]))
        batch.waiting.reverse()
        self._next(batch)

    def _good_rows(self, loose: list[Any], batch: _Batch) -> list[tuple[int, Any]]:
        try:
            return list(enumerate(self.schema.convert(loose)))
        except RequestError:
            pass
        good = []
        for at, row in enumerate(loose):
            try:
                good.append((at, self.schema.convert([row])[0]))
            except RequestError as error:
                self.service.inputs.refused(error)
                error.message = error.message.removeprefix("row 0: ")
                batch.refuse(at, error)
        return good

    def _next(self, batch: _Batch) -> None:
        if batch.request.answered:
            return
        if not batch.waiting:
            self._answer(batch)
            return
        positions, rows = batch.waiting.pop()
        job = RequestJob(
            batch.request, _together(rows), self.deadline(batch.request),
            lambda done: self._chunk_done(batch, positions, done), batch.params,
        )  # fmt: skip
        try:
            self.target.submit(job)
        except RequestError as error:
            fail(batch.request, error)

    def _chunk_done(self, batch: _Batch, positions: list[int], job: RequestedJob) -> None:
        error = job.error
        if error is None:
            for at, row, value in zip(positions, job.rows, listed(job.outputs), strict=True):
                batch.predictions[at] = value
                batch.inputs.append(row)
        elif error.status != HTTPStatus.UNPROCESSABLE_ENTITY:
            fail(batch.request, error)
            return
        elif len(positions) == 1:
            batch.refuse(positions[0], error)
        else:
            halves = len(positions) // 2
            for part in (slice(halves, None), slice(halves)):
                batch.waiting.append((positions[part], list(job.rows[part])))
        batch.last = job
        self._next(batch)

    def _answer(self, batch: _Batch) -> None:
        request = batch.request
        batch.errors.sort(key=lambda error: error["row"])
        job = batch.last
        answer: dict[str, Any] = {
            "predictions": batch.predictions,
            "errors": batch.errors,
            "model": job.model if job else self.target.name,
            "version": job.version if job else self.target.version,
            "id": request.id,
        }
        if not batch.inputs:
            form = request.route.error_form
            answer["error"] = described(invalid("no_good_row", "none of the rows is valid"), form)
            request.answer_json(422, answer, shown=shown(422, form))
            return
        request.answer_json(200, answer)
        job.rows = batch.inputs  # type: ignore[union-attr]
        bad = {error["row"] for error in batch.errors}
        good = [value for at, value in enumerate(batch.predictions) if at not in bad]
        job.outputs = good  # type: ignore[union-attr]
        self.log(job, good)  # type: ignore[arg-type]


def _chunks(good: list[tuple[int, Any]]) -> Iterator[list[tuple[int, Any]]]:
    """Yield the rows in parts of one call each: few enough, and of one shape where it may vary."""
    for _, alike in groupby(good, lambda item: _shapes(item[1])):
        while chunk := list(islice(alike, _CHUNK_ROWS)):
            yield chunk


def _shapes(row: Any) -> Any:
    if isinstance(row, dict):
        return [np.shape(value) for value in row.values()]
    return row.shape if isinstance(row, np.ndarray) else None


def _together(rows: list[Any]) -> Any:
    """Return single rows as the model gets them: stacked if they are of tensors."""
    if isinstance(rows[0], dict):
        return TensorRows.stacked(rows)
    return np.stack(rows) if hasattr(rows[0], "dtype") else rows
