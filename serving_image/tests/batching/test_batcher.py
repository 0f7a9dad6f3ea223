"""The queue of a model: a real event loop, a fake model."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

import numpy as np
import pytest

from servestack_server.errors import RequestError
from servestack_server.input.params import Params
from servestack_server.metrics import ModelMetrics
from servestack_server.models.model import Model, Whole
from servestack_server.prediction.batcher import Batcher, Job
from servestack_server.prediction.outputs import require_by_row

LATER = float("inf")


class Fake:
    """Doubles; refuses rows that begin with a word it is told to."""

    def __init__(self) -> None:
        self.calls: list[list[Any]] = []
        self.threads: set[int] = set()
        self.at_once = 0
        self.most_at_once = 0
        self.seconds = 0.0
        self.raises: dict[Any, Exception] = {}

    def predict(self, rows: Any) -> Any:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.calls.append([row[0] for row in rows])
        self.threads.add(threading.get_ident())
        try:
            if self.seconds:
                time.sleep(self.seconds)
            for row in rows:
                if row[0] in self.raises:
                    raise self.raises[row[0]]
            return np.array([row[0] * 2 for row in rows])
        finally:
            self.at_once -= 1


class Cut(Fake):
    """Forgets the last row."""

    def predict(self, rows: Any) -> Any:
        return super().predict(rows)[:-1]


def batcher(
    fake: Fake,
    *,
    model: Model | None = None,
    owner: object | None = None,
    max_rows: int = 64,
    max_wait_seconds: float = 0.0,
    max_queue: int = 512,
    receiving: Callable[[], int] = int,
    delivering: Callable[[bool], object] = bool,
) -> Batcher:
    model = model or Model("m", "1", "", "sklearn", "native", fake.predict, None, owner)
    return Batcher(
        model, ModelMetrics("m", "1", ""), max_rows=max_rows, max_wait_seconds=max_wait_seconds,
        max_queue=max_queue, receiving=receiving, delivering=delivering,
    )  # fmt: skip


class Asked:
    """A job and the wait for it."""

    def __init__(self, batcher: Batcher, values: Sequence[Any], deadline: float = LATER) -> None:
        self.done: asyncio.Future[Job] = asyncio.get_running_loop().create_future()
        self.times = 0
        batcher.submit(Job([(value,) for value in values], deadline, self._finish))

    def _finish(self, job: Job) -> None:
        self.times += 1
        self.done.set_result(job)

    async def values(self) -> list[Any]:
        job = await asyncio.wait_for(self.done, 10)
        if job.error is not None:
            raise job.error
        return [value.item() for value in job.outputs]


def in_thread(batcher: Batcher) -> Batcher:
    """As after a call that took long."""
    batcher.call_time.learn(1, 1.0)
    return batcher


def test_after_a_batch_of_several_it_waits_for_one_turn() -> None:
    """And not after a request alone, whose caller would wait for nothing."""
    fake = Fake()

    async def asked_in_the_next_turn(queue: Batcher, values: Sequence[int]) -> None:
        """One at once, and one that arrives when the queue is about to be reached."""
        loop = asyncio.get_running_loop()
        first, later = Asked(queue, values[:1]), loop.create_future()
        loop.call_soon(lambda: later.set_result(Asked(queue, values[1:])))
        await first.values()
        await (await later).values()

    async def run() -> None:
        queue = batcher(fake)
        await asked_in_the_next_turn(queue, [1, 2])
        together = [Asked(queue, [value]) for value in (3, 4)]
        for one in together:
            await one.values()
        await asked_in_the_next_turn(queue, [5, 6])

    asyncio.run(run())
    assert fake.calls == [[1], [2], [3, 4], [5, 6]]


def test_it_says_when_the_jobs_of_a_batch_get_their_answers() -> None:
    fake = Fake()
    said: list[tuple[bool, list[bool]]] = []

    async def run() -> None:
        asked: list[Asked] = []
        queue = batcher(
            fake, delivering=lambda on: said.append((on, [one.done.done() for one in asked]))
        )
        asked += [Asked(queue, [value]) for value in range(4)]
        asked.append(Asked(queue, [9], deadline=0.0))
        for one in asked[:4]:
            await one.values()

    asyncio.run(run())
    late, all_of_them = [False] * 4 + [True], [True] * 5
    assert said == [(True, [False] * 5), (False, late), (True, late), (False, all_of_them)]


@pytest.mark.parametrize("place", ["loop", "thread"])
def test_results_go_to_their_callers(place: str) -> None:
    fake = Fake()

    async def run() -> None:
        queue = batcher(fake) if place == "loop" else in_thread(batcher(fake))
        asked = [Asked(queue, range(at, at + at % 5 + 1)) for at in range(300)]
        for at, one in enumerate(asked):
            assert await one.values() == [2 * value for value in range(at, at + at % 5 + 1)]
            assert one.times == 1

    asyncio.run(run())
    assert max(map(len, fake.calls)) <= 64
    assert len(fake.calls) < 30
    assert (threading.get_ident() in fake.threads) == (place == "loop")


def test_a_batch_has_at_most_its_rows_but_a_larger_job_goes_alone() -> None:
    fake = Fake()

    async def run() -> None:
        queue = batcher(fake, max_rows=8)
        sizes = [3, 3, 3, 20, 1, 8, 8, 1]
        await asyncio.gather(*(Asked(queue, range(size)).values() for size in sizes))

    asyncio.run(run())
    assert [len(call) for call in fake.calls] == [6, 3, 20, 1, 8, 8, 1]


def test_a_lone_request_is_not_waited_for() -> None:
    fake = Fake()
    turns = 0

    async def run() -> None:
        nonlocal turns
        queue = batcher(fake, max_wait_seconds=60.0)
        asked = Asked(queue, [1])
        while not asked.done.done():
            turns += 1
            await asyncio.sleep(0)

    asyncio.run(run())
    assert turns <= 3


def test_a_request_that_arrives_is_waited_for() -> None:
    fake = Fake()
    arriving = 1

    async def run() -> None:
        nonlocal arriving
        queue = batcher(fake, max_wait_seconds=60.0, receiving=lambda: arriving)
        first = Asked(queue, [1])
        await asyncio.sleep(0.01)
        assert not first.done.done()
        second = Asked(queue, [2])
        await asyncio.sleep(0.01)
        assert not first.done.done()
        arriving = 0
        assert (await first.values(), await second.values()) == ([2], [4])

    asyncio.run(run())
    assert fake.calls == [[1, 2]]


@pytest.mark.parametrize("why", ["time is up", "the batch is full"])
def test_waiting_has_an_end(why: str) -> None:
    fake = Fake()

    async def run() -> None:
        wait = 0.005 if why == "time is up" else 60.0
        rows = 1 if why == "time is up" else 64
        queue = batcher(fake, max_wait_seconds=wait, receiving=lambda: 1)
        assert await Asked(queue, range(rows)).values() == [2 * at for at in range(rows)]

    asyncio.run(run())


@pytest.mark.parametrize("place", ["loop", "thread"])
def test_a_bad_row_fails_its_own_request_only(place: str) -> None:
    fake = Fake()
    fake.raises = {13: ValueError("unlucky\nwith more"), 14: RuntimeError("a secret")}

    async def run() -> list[Any]:
        queue = batcher(fake) if place == "loop" else in_thread(batcher(fake))
        asked = [Asked(queue, [at]).values() for at in range(20)]
        return list(await asyncio.gather(*asked, return_exceptions=True))

    results = asyncio.run(run())
    refused, failed = results[13], results[14]
    assert isinstance(refused, RequestError)
    assert (refused.status, refused.code) == (422, "model_refused")
    assert refused.message == "the model refuses the input: unlucky"
    assert isinstance(failed, RequestError)
    assert (failed.status, failed.code) == (500, "model_failed")
    assert "secret" not in failed.message
    assert [results[at] for at in range(20) if at not in (13, 14)] == [
        [2 * at] for at in range(20) if at not in (13, 14)
    ]


def test_a_model_that_gives_too_few_outputs_has_failed() -> None:
    async def run() -> None:
        queue = batcher(Cut())
        for values in ([1], [1, 2]):
            with pytest.raises(RequestError) as caught:
                await Asked(queue, values).values()
            assert (caught.value.status, caught.value.code) == (500, "not_by_row")
            assert "/invocations" not in caught.value.message

    asyncio.run(run())


def _whole(fake: Fake, *, by_row: bool) -> Model:
    def whole(rows: Any) -> Any:
        values = fake.predict(rows)
        return {"y": values} if by_row else {"rows": len(values)}

    return Model(
        "m", "1", "", "pyfunc", "native", fake.predict, None, whole=Whole(whole, by_row=by_row)
    )


@pytest.mark.parametrize("by_row", [False, True])
def test_what_a_route_asks_for_does_not_mix_with_what_another_asks_for(by_row: bool) -> None:
    fake = Fake()
    answers: list[Any] = []

    async def run() -> None:
        queue = batcher(fake, model=_whole(fake, by_row=by_row))
        done = asyncio.Event()

        def finish(job: Job) -> None:
            answers.append((job.form, job.outputs))
            if len(answers) == 6:
                done.set()

        for form, value in (
            ("rows", 1),
            ("rows", 2),
            ("whole", 3),
            ("whole", 4),
            ("rows", 5),
            ("rows", 6),
        ):
            queue.submit(Job([(value,)], LATER, finish, form=form))  # type: ignore[arg-type]
        await asyncio.wait_for(done.wait(), 10)

    asyncio.run(run())
    assert [form for form, _ in answers] == ["rows", "rows", "whole", "whole", "rows", "rows"]
    if by_row:
        assert fake.calls == [[1, 2], [3, 4], [5, 6]]
        assert [outputs["y"].tolist() for form, outputs in answers if form == "whole"] == [[6], [8]]
    else:
        assert fake.calls == [[1, 2], [3], [4], [5, 6]]
        assert [outputs for form, outputs in answers if form == "whole"] == [{"rows": 1}] * 2


def test_the_whole_answer_is_asked_for_with_the_requests_params() -> None:
    def whole_with(rows: Any, params: dict[str, Any]) -> Any:
        return params | {"rows": len(rows)}

    model = Model(
        "m", "1", "", "pyfunc", "native", Fake().predict, None,
        whole=Whole(Fake().predict, by_row=False, predict_with=whole_with),
    )  # fmt: skip
    job = Job([(1,), (2,)], LATER, lambda job: None, Params({"heat": 0.5}), "whole")
    batcher(Fake(), model=model).predict_now(job)
    assert job.outputs == {"heat": 0.5, "rows": 2}


@pytest.mark.parametrize(
    ("outputs", "told"),
    [
        ({"mean": 1.5}, "a mapping with the names mean"),
        ({}, "a mapping with the names (none)"),
        ({"a": [1, 2], "b": [1]}, "a mapping with the names a, b"),
        ("ab", "a single value (str)"),
        (None, "nothing (None)"),
        (np.array(3.0), "a single value"),
        (1.5, "a single value (float)"),
        ((np.array([1, 2]), np.array([3, 4])), "2 outputs"),
        ({1, 2}, "2 outputs"),
    ],
)
def test_what_is_no_answer_by_row(outputs: Any, told: str) -> None:
    with pytest.raises(RequestError) as caught:
        require_by_row(outputs, 2)
    assert caught.value.message.startswith(f"the model returned {told} for 2 rows")


def test_a_full_queue_says_when_to_come_again() -> None:
    fake = Fake()

    async def run() -> None:
        queue = batcher(fake, max_queue=3)
        asked = [Asked(queue, [at]) for at in range(3)]
        with pytest.raises(RequestError) as caught:
            Asked(queue, [4])
        assert caught.value.status == HTTPStatus.SERVICE_UNAVAILABLE
        assert (caught.value.code, caught.value.retry_after_seconds) == ("queue_full", 1)
        assert queue.depth == 3
        assert [await one.values() for one in asked] == [[0], [2], [4]]
        assert await Asked(queue, [5]).values() == [10]
        assert queue.depth == 0

    asyncio.run(run())


def test_who_waited_too_long_is_told_and_not_predicted() -> None:
    fake = Fake()

    async def run() -> None:
        queue = batcher(fake)
        late = Asked(queue, [1], deadline=time.perf_counter() - 1)
        good = Asked(queue, [2])
        assert await good.values() == [4]
        with pytest.raises(RequestError) as caught:
            await late.values()
        assert (caught.value.status, caught.value.code) == (503, "timeout")
        assert late.times == 1

    asyncio.run(run())
    assert fake.calls == [[2]]


def test_a_model_is_called_from_one_place_at_a_time() -> None:
    """The thread works on one batch, and the loop might make the next call itself."""
    fake = Fake()
    fake.seconds = 0.05

    async def run() -> None:
        queue = batcher(fake, max_rows=4)
        quick = iter([False, True, True, True])
        queue._is_quick = lambda jobs: next(quick)  # type: ignore[method-assign]
        late = Asked(queue, [0], deadline=0.0)
        asked = [Asked(queue, [at]) for at in range(12)]
        assert await asyncio.gather(*(one.values() for one in asked)) == [
            [2 * at] for at in range(12)
        ]
        assert late.done.result().error is not None

    asyncio.run(run())
    assert len(fake.threads) == 2
    assert fake.most_at_once == 1


def test_the_loop_turns_while_a_thread_predicts() -> None:
    fake = Fake()
    fake.seconds = 0.2

    async def run() -> int:
        asked = Asked(in_thread(batcher(fake)), [1])
        turns = 0
        while not asked.done.done():
            turns += 1
            await asyncio.sleep(0.001)
        return turns

    assert asyncio.run(run()) > 20


def test_an_answer_that_cannot_be_given_is_a_failure_of_the_model() -> None:
    fake = Fake()

    async def run() -> tuple[Job, Job]:
        queue = batcher(fake)
        told: list[Job] = []

        def finish(job: Job) -> None:
            if job.error is None:
                raise TypeError("no JSON for this")
            told.append(job)

        queue.submit(Job([(1,)], LATER, finish))
        beside = Asked(queue, [2])
        await beside.values()
        return told[0], beside.done.result()

    failed, good = asyncio.run(run())
    assert failed.error is not None
    assert failed.error.code == "model_failed"
    assert good.error is None


class Owner:
    """Of a number n: preprocess refuses 5, fails at 6, doubles rows for 7; postprocess refuses 16."""

    def preprocess(self, rows: list[Any]) -> Any:
        if rows[0][0] == 5:
            raise ValueError("five is not taken")
        if rows[0][0] == 6:
            raise KeyError("a fault")
        return rows * 2 if rows[0][0] == 7 else rows

    def postprocess(self, outputs: Any) -> Any:
        if outputs[0] == 16:
            raise ValueError("sixteen is not given")
        return outputs


def test_the_owners_steps_concern_their_own_request() -> None:
    fake = Fake()

    async def run() -> list[Any]:
        queue = batcher(fake, owner=Owner())
        asked = [Asked(queue, [at]).values() for at in range(4, 10)]
        return list(await asyncio.gather(*asked, return_exceptions=True))

    four, five, six, seven, eight, nine = asyncio.run(run())
    assert (four, seven, nine) == ([8], [14, 14], [18])
    assert [(e.status, e.code) for e in (five, six, eight)] == [
        (422, "refused"), (500, "preprocess_failed"), (422, "refused"),
    ]  # fmt: skip
    assert five.message == "five is not taken"
    assert fake.calls == [[4, 7, 7, 8, 9]]
    assert threading.get_ident() not in fake.threads


class Frames:
    """Gives what lists cannot be put together from."""

    def preprocess(self, rows: list[Any]) -> Any:
        import pandas as pd

        return pd.DataFrame(rows, columns=["a"])


class Triples(Fake):
    """Takes frames only."""

    def predict(self, rows: Any) -> Any:
        return rows["a"].to_numpy() * 3


def test_frames_are_predicted_one_request_at_a_time() -> None:
    async def run() -> list[Any]:
        queue = batcher(Triples(), owner=Frames())
        return list(await asyncio.gather(*(Asked(queue, [at, at + 1]).values() for at in range(5))))

    assert asyncio.run(run()) == [[3 * at, 3 * at + 3] for at in range(5)]


class Tenfold:
    """Gives a mapping of arrays, as an owner writes it who knows nothing of TensorRows."""

    def preprocess(self, rows: list[Any]) -> Any:
        values = np.array([row[0] for row in rows])
        return {"a": values, "b": values * 10}


class Sums(Fake):
    """Takes several tensors."""

    def predict(self, rows: Any) -> Any:
        self.calls.append(rows["b"].tolist())
        return rows["a"] + rows["b"]


def test_tensors_of_several_requests_are_put_together() -> None:
    fake = Sums()

    async def run() -> list[Any]:
        queue = batcher(fake, owner=Tenfold())
        return list(await asyncio.gather(*(Asked(queue, [at, at + 1]).values() for at in range(3))))

    assert asyncio.run(run()) == [[0, 11], [11, 22], [22, 33]]
    assert fake.calls == [[0, 10, 10, 20, 20, 30]]


def test_every_call_is_measured() -> None:
    async def run() -> Batcher:
        queue = batcher(Fake(), max_rows=8)
        await asyncio.gather(*(Asked(queue, range(4)).values() for _ in range(6)))
        return queue

    metrics = asyncio.run(run()).metrics
    assert metrics.batch_rows.total == 24
    assert sum(metrics.batch_rows.counts) == sum(metrics.seconds.counts) == 3


def test_only_jobs_of_equal_params_go_into_one_batch() -> None:
    """Python takes 1, 1.0 and true for equal, and 0.0 and -0.0."""
    given: list[Any] = [1, 1, 1.0, 1.0, True, 0.0, -0.0, 1]
    calls: list[tuple[int, Any]] = []

    def predict_with(rows: Any, params: dict[str, Any]) -> Any:
        calls.append((len(rows), params["k"]))
        return np.array([params["k"]] * len(rows))

    async def run() -> None:
        model = Model("m", "1", "", "pyfunc", "native", Fake().predict, None, None)
        model.predict_with = predict_with
        queue = Batcher(
            model, ModelMetrics("m", "1", ""), max_rows=64, max_wait_seconds=0, max_queue=64,
            receiving=int,
        )  # fmt: skip
        done: list[Job] = []
        for value in given:
            queue.submit(Job([(0,), (0,)], LATER, done.append, Params({"k": value})))
        while len(done) < len(given):
            await asyncio.sleep(0.001)
        assert [job.outputs.tolist()[0] for job in done] == given
        assert [type(job.outputs.tolist()[0]) for job in done] == [type(value) for value in given]

    asyncio.run(run())
    assert [rows for rows, _ in calls] == [4, 4, 2, 2, 2, 2]
