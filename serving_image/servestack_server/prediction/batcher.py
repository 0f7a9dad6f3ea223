"""Predicts the rows of several requests in one call.

All requests that have arrived when the event loop reaches the queue go into one batch. The queue
waits only for requests that are partly received, and after a batch of several for one turn of the
event loop: callers who were answered together ask again nearly together. So a single request is
answered at once, and the next batch fills while a call runs. A call that is expected to take longer than INLINE_SECONDS runs
in a thread, so that the server can answer probes and requests for other models meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from time import perf_counter
from typing import TYPE_CHECKING, Any

from servestack_server.errors import RequestError, first_line
from servestack_server.input.tensor_rows import TensorRows, concatenated
from servestack_server.plain import NoFormError, plain
from servestack_server.prediction.call_time import CallTime
from servestack_server.prediction.outputs import part_of, require_by_row
from servestack_server.server_log import log_failure

if TYPE_CHECKING:
    from servestack_server.input.params import Params
    from servestack_server.metrics import ModelMetrics
    from servestack_server.models.model import Form, Model

log = logging.getLogger(__name__)

INLINE_SECONDS = 0.005
"""Longest call that the event loop makes itself. A thread would add 0.05 to 0.1 ms to a call."""
_ANYTHING = (Exception, SystemExit)
"""What the owner's code may raise. A call of sys.exit fails one request and not the server."""
_REFUSALS = (ValueError, TypeError, KeyError, IndexError, OverflowError)


class Job:
    """Rows of one request for one model, and their outputs.

    The batcher calls `finish(job)` once, in the event loop, with `outputs` or `error` set.
    `outputs` has one entry per row: an array, a mapping of arrays, or a list. `inputs` are the rows
    after the owner's `preprocess`. `params` is None if the service has none. `deadline` is on the clock
    of time.perf_counter(), in seconds. `form` is what is asked for; a `whole` answer that is not by row
    comes as plain values of JSON.
    """

    __slots__ = (
        "deadline", "error", "finish", "form", "inputs", "outputs", "params", "rows", "size",
    )  # fmt: skip

    def __init__(
        self, rows: Any, deadline: float, finish: Callable[[Job], None],
        params: Params | None = None, form: Form = "rows",
    ) -> None:  # fmt: skip
        self.form = form
        self.params = params
        self.rows = rows
        self.inputs = rows
        self.size = len(rows)
        self.deadline = deadline
        self.finish = finish
        self.outputs: Any = None
        self.error: RequestError | None = None

    @property
    def request_id(self) -> str:
        """Id of the request, for the log; empty for a call that no request made."""
        return ""

    def is_wanted(self) -> bool:
        """Return False once nobody waits for the outputs."""
        return True


class Batcher:
    """The queue of one model. Call its methods in the event loop's thread only.

    A batch has at most `max_rows` rows, unless a single request has more. `max_wait_seconds` is how
    long the first request of a batch waits for others that are partly received; `receiving` returns
    their number. `max_queue` is the number of requests that may wait. `delivering` is called
    with True before the jobs of a batch are finished, and with False after that.
    """

    def __init__(
        self,
        model: Model,
        metrics: ModelMetrics,
        *,
        max_rows: int,
        max_wait_seconds: float,
        max_queue: int,
        receiving: Callable[[], int],
        delivering: Callable[[bool], object] = bool,
    ) -> None:
        self.model = model
        self.metrics = metrics
        self.max_rows = max_rows
        self.max_queue = max_queue
        self.call_time = CallTime()
        self._max_wait_seconds = max_wait_seconds
        self._receiving = receiving
        self._delivering = delivering
        self._queue: deque[Job] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scheduled = False
        self._last_jobs = 0
        self._first_queued = 0.0
        self._running = False
        self._thread: ThreadPoolExecutor | None = None
        owner = model.service
        self.has_owner = owner is not None
        self._preprocess = getattr(owner, "preprocess", None)
        self._postprocess = getattr(owner, "postprocess", None)
        whole = model.whole
        self._calls: dict[Form, Callable[[Any], Any]] = {
            "rows": model.predict,
            "named": model.named or model.predict,
            "whole": whole.predict if whole is not None else model.predict,
        }
        self._calls_with: dict[Form, Callable[[Any, dict[str, Any]], Any] | None] = {
            "rows": model.predict_with,
            "named": model.predict_with,
            "whole": whole.predict_with if whole is not None else model.predict_with,
        }
        self._has_forms = whole is not None or model.named is not None
        self._whole_alone = whole is not None and not whole.by_row
        takes = f"; POST /endpoints/{model.name}/invocations takes it as it is"
        self._hint = takes if self._whole_alone else ""

    @property
    def depth(self) -> int:
        """Number of requests that wait."""
        return len(self._queue)

    def submit(self, job: Job) -> None:
        """Queue a job. Raises RequestError (503) if the queue is full."""
        queue = self._queue
        if len(queue) >= self.max_queue:
            raise RequestError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "queue_full",
                f"{self.max_queue} requests are waiting already",
                retry_after_seconds=1,
            )
        queue.append(job)
        if not self._scheduled and not self._running:
            self._scheduled = True
            self._first_queued = perf_counter()
            if self._loop is None:
                self._loop = asyncio.get_running_loop()
            self._loop.call_soon(self._flush_later if self._last_jobs > 1 else self._flush)

    def predict_now(self, job: Job) -> None:
        """Predict without the queue, for warm-up. Raises the error that a caller would get."""
        self._run([job])
        error = job.error
        if error is not None:
            raise error

    def _flush_later(self) -> None:
        """Flush the queue in the next turn of the event loop, after what has arrived meanwhile."""
        self._loop.call_soon(self._flush)  # type: ignore[union-attr]

    def _flush(self) -> None:
        """Predict the jobs that wait, or wait a little for requests that are partly received."""
        self._scheduled = False
        if self._running:
            return  # The end of the running call flushes the queue again.
        now = perf_counter()
        if self._receiving() and self._worth_waiting(now):
            self._scheduled = True
            self._loop.call_later(0.0005, self._flush)  # type: ignore[union-attr]
            return
        jobs, late = self._take(now)
        for job in late:
            job.error = _timeout()
        self._deliver(late)
        if not jobs:
            return
        self._last_jobs = len(jobs)
        if self._is_quick(jobs):
            self._run(jobs)
            self._deliver(jobs)
        else:
            self._running = True
            for job in jobs:
                job.request_id  # noqa: B018  Ids are made here: what makes them is of one thread.
            if self._thread is None:
                self._thread = ThreadPoolExecutor(1, f"model-{self.model.name}")
            done = self._loop.run_in_executor(self._thread, self._run, jobs)  # type: ignore[union-attr]
            done.add_done_callback(lambda _: self._back(jobs))

    def _is_quick(self, jobs: list[Job]) -> bool:
        """Whether the event loop may make the call itself. Never for the owner's code: it may block."""
        if self.has_owner:
            return False
        return self.call_time.expected(sum(job.size for job in jobs)) < INLINE_SECONDS

    def _worth_waiting(self, now: float) -> bool:
        if now - self._first_queued >= self._max_wait_seconds:
            return False
        return sum(job.size for job in self._queue) < self.max_rows

    def _take(self, now: float) -> tuple[list[Job], list[Job]]:
        """Return the next jobs of equal params, with at most `max_rows` rows together, and those
        that are too late.

        A job with more rows than that goes alone. A job that nobody waits for is dropped.
        """
        queue, rows = self._queue, 0
        jobs: list[Job] = []
        late: list[Job] = []
        while queue and (
            not jobs
            or (rows + queue[0].size <= self.max_rows and queue[0].params == jobs[0].params)
        ):
            if self._has_forms and jobs and not self._go_together(jobs[0], queue[0]):
                break
            job = queue.popleft()
            if not job.is_wanted():
                continue
            if job.deadline < now:
                late.append(job)
                continue
            jobs.append(job)
            rows += job.size
        return jobs, late

    def _go_together(self, first: Job, job: Job) -> bool:
        """Whether one call can answer both."""
        return first.form == job.form and not self._is_alone(job)

    def _is_alone(self, job: Job) -> bool:
        return self._whole_alone and job.form == "whole"

    def _back(self, jobs: list[Job]) -> None:
        self._running = False
        self._deliver(jobs)

    def _deliver(self, jobs: list[Job]) -> None:
        if jobs:
            self._delivering(True)
            try:
                for job in jobs:
                    try:
                        job.finish(job)
                    except Exception as error:  # The outputs cannot be encoded.
                        job.error = self._failed(error, job)
                        job.finish(job)
            finally:
                self._delivering(False)
        if self._queue and not self._scheduled and not self._running:
            self._scheduled = True
            self._first_queued = perf_counter()
            self._loop.call_soon(self._flush)  # type: ignore[union-attr]

    # The methods below may run in the model's thread.

    def _run(self, jobs: list[Job]) -> None:
        """Predict the jobs, and set the outputs or the error of each."""
        if self._preprocess is not None:
            jobs = [job for job in jobs if self._prepared(job)]
        if len(jobs) == 1:
            self._run_alone(jobs[0])
        elif jobs:
            try:
                self._run_together(jobs)
            except _ANYTHING:
                # One of the jobs has failed. Each runs alone, so that the others get their answers.
                for job in jobs:
                    self._run_alone(job)
        if self._postprocess is not None:
            for job in jobs:
                self._finished(job)

    def _run_together(self, jobs: list[Job]) -> None:
        outputs = self.call(
            concatenated([job.inputs for job in jobs]), jobs[0].form, jobs[0].params
        )
        start = 0
        for job in jobs:
            end = start + len(job.inputs)
            job.outputs = part_of(outputs, start, end)
            start = end

    def _run_alone(self, job: Job) -> None:
        try:
            job.outputs = self.call(job.inputs, job.form, job.params)
        except _ANYTHING as error:
            job.error = self._failure(error, job)

    def _prepared(self, job: Job) -> bool:
        """Preprocess one request with the owner's code, so that an error fails no other request."""
        try:
            inputs = self._preprocess(job.rows)  # type: ignore[misc]
            job.inputs = TensorRows(inputs) if isinstance(inputs, dict) else inputs
        except _ANYTHING as error:
            job.error = self._owner_failure("preprocess", error, job)
            return False
        return True

    def _finished(self, job: Job) -> None:
        if job.error is None:
            try:
                job.outputs = self._postprocess(job.outputs)  # type: ignore[misc]
                if self._is_alone(job):
                    job.outputs = plain(job.outputs)
            except _ANYTHING as error:
                job.error = self._owner_failure("postprocess", error, job)

    def call(self, rows: Any, form: Form = "rows", params: Params | None = None) -> Any:
        """Call the model once and measure the time. `rows` has one entry per row.

        A model that has no use for params does not get them.

        Raises whatever the model raises, and RequestError (500) unless it returns one output per row,
        or may return anything in this form.
        """
        before = perf_counter()
        call_with = self._calls_with[form] if params is not None else None
        if params is None or call_with is None:
            outputs = self._calls[form](rows)
        else:
            outputs = call_with(rows, params.values)
        anything = self._whole_alone and form == "whole"
        if anything and self._postprocess is None:
            outputs = plain(outputs)  # An iterator of the owner's runs more of the owner's code.
        seconds = perf_counter() - before
        self.call_time.learn(len(rows), seconds)
        self.metrics.seconds.observe(seconds)
        self.metrics.batch_rows.observe(len(rows))
        if not anything:
            require_by_row(outputs, len(rows), self._hint)
        return outputs

    def _owner_failure(self, step: str, error: BaseException, job: Job) -> RequestError:
        """Make a RequestError: 422 for a ValueError, which is meant for the caller, else 500."""
        if isinstance(error, RequestError):
            return error
        if isinstance(error, ValueError):
            return RequestError(HTTPStatus.UNPROCESSABLE_ENTITY, "refused", first_line(error))
        log_failure(log, f"{step} of model {self.model.name} failed", error, job.request_id)
        return RequestError(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            f"{step}_failed",
            "the model's code failed; see the server's log",
        )

    def _failure(self, error: BaseException, job: Job) -> RequestError:
        if isinstance(error, RequestError):
            return error
        if _is_refusal(error):
            return RequestError(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "model_refused",
                f"the model refuses the input: {first_line(error)}",
            )
        return self._failed(error, job)

    def _failed(self, error: BaseException, job: Job) -> RequestError:
        log_failure(log, f"model {self.model.name} failed", error, job.request_id)
        message = "the model failed; see the server's log"
        if isinstance(error, NoFormError):
            message = f"the model's answer is no JSON: {error}"
        return RequestError(HTTPStatus.INTERNAL_SERVER_ERROR, "model_failed", message)


def _is_refusal(error: BaseException) -> bool:
    """Whether the model refuses its input, as far as the error tells."""
    return (
        isinstance(error, _REFUSALS)
        or type(error).__module__.startswith("onnxruntime")
        or getattr(error, "error_code", "") == "INVALID_PARAMETER_VALUE"  # MLflow's signature
    )


def _timeout() -> RequestError:
    return RequestError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "timeout",
        "the request waited too long",
        retry_after_seconds=1,
    )
