"""Which rows are counted of more than a pod may count."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from servestack_contract.buckets import make_profile
from servestack_contract.profile import FILE, dump_profile
from servestack_contract.settings import Column, Drift, Input, Metrics, ModelPlace, ServerSettings
from servestack_server.drift import watch
from servestack_server.drift.row_sample import RowSample
from servestack_server.drift.watch import DriftWatch
from servestack_server.input.schema import compile_schema
from servestack_server.metrics import ServerMetrics


@pytest.fixture(autouse=True)
def _seed() -> None:
    random.seed(1)


def taken(sample: RowSample, sizes: Iterable[int]) -> list[list[int]]:
    """The places that are taken of each request, as DriftWatch.count asks for them."""
    found: list[list[int]] = []
    for size in sizes:
        sample.seen += size
        if sample.gap >= size:
            sample.gap -= size
            found.append([])
        else:
            found.append(list(sample.take(size)))
    return found


@pytest.mark.parametrize("size", [1, 7, 500])
def test_all_rows_of_little_traffic(size: int) -> None:
    sample = RowSample(500)
    for _ in range(20):
        assert taken(sample, [size] * (500 // size)) == [list(range(size))] * (500 // size)
        assert sample.renew() == 500 // size * size
    assert sample.taken == sample.seen


@pytest.mark.parametrize("size", [1, 3, 64, 1000, 7001])
def test_never_more_than_the_share(size: int) -> None:
    sample = RowSample(50)
    before = 0
    for requests in (1, 100, 3, 2000, 1, 0, 10):
        places = taken(sample, [size] * requests)
        assert all(0 <= place < size for own in places for place in own)
        assert sum(map(len, places)) == sample.taken - before <= 50
        before = sample.taken
        sample.renew()


def test_rows_are_spaced_evenly_over_a_steady_stream() -> None:
    """After one period the step is known, and reaches to the period's end."""
    sample = RowSample(500)
    taken(sample, [1] * 4000)
    sample.renew()
    at = [number for number, own in enumerate(taken(sample, [1] * 4000)) if own]
    assert len(at) == 500
    assert set(np.diff(at)) == {8}


def test_one_large_request_is_spaced_evenly() -> None:
    sample = RowSample(500)
    (first, after) = taken(sample, [10_000, 1])
    assert len(first) == 500
    assert set(np.diff(first)) == {20}
    assert after == []


def test_no_place_and_no_size_is_preferred() -> None:
    """Single rows and batches of 100 come in turn, half of the rows each: so do those counted."""
    sample = RowSample(50)
    alone = together = 0
    places: Counter[int] = Counter()
    for period in range(1000):
        found = taken(sample, [100, *[1] * 100] * 5)
        if period:
            together += sum(len(own) for own in found[::101])
            alone += sum(map(len, found)) - sum(len(own) for own in found[::101])
            places.update(place for own in found[::101] for place in own)
        sample.renew()
    assert alone + together == 999 * 50
    # Exact, since the step is 20 and divides 100.
    assert alone == together
    # Each place has a chance of 1 in 20 in a period, so its count varies by 14%.
    counts = np.array([places[place] for place in range(100)])
    assert counts.min() > 0.5 * counts.mean()
    assert counts.max() < 1.5 * counts.mean()


def test_the_step_follows_the_traffic() -> None:
    sample = RowSample(500)
    for rows, step in ((5000, 10), (501, 2), (500, 1), (0, 1)):
        taken(sample, [1] * rows)
        sample.renew()
        assert sample.step == step


SETTINGS_INPUT = Input(columns=(Column("a", "double"),))


def watched(folder: Path, given: Drift, names: tuple[str, ...] = ("m",)) -> tuple[DriftWatch, Any]:
    """The watch of models with a profile, and a function that returns a metric by its labels."""
    profile = make_profile(
        {"a": np.arange(2000) / 2000}, {"prediction": np.arange(2000) / 2000}, is_by_position=False
    )
    for name in names:
        (folder / name).mkdir()
        (folder / name / FILE).write_bytes(dump_profile(profile))
    settings = ServerSettings(
        name="m", input=SETTINGS_INPUT, metrics=Metrics(drift=given),
        models=tuple(ModelPlace(name, str(folder / name)) for name in names),
    )  # fmt: skip
    metrics = ServerMetrics(settings)
    made = DriftWatch(settings, compile_schema(settings.input), metrics, given)

    def value(name: str, **labels: str) -> float:
        return sum(
            sample.value
            for family in text_string_to_metric_families(metrics.drift_text())
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    return made, value


FORMS: dict[str, Any] = {
    "lists": (lambda values: [[value] for value in values], list),
    "arrays": (lambda values: [[value] for value in values], np.array),
    "a mapping": (lambda values: [[v] for v in values], lambda v: {"prediction": np.array(v)}),
}


@pytest.mark.parametrize("form", FORMS)
def test_rows_and_their_outputs_are_counted_together(tmp_path: Path, form: str) -> None:
    rows_of, outputs_of = FORMS[form]

    async def ask() -> None:
        drift, value = watched(tmp_path, Drift(rows_per_second=1000))
        values = [at / 4000 for at in range(4000)]
        drift.count("m", rows_of(values), outputs_of(values))
        for single in values[:1000]:
            drift.count("m", rows_of([single]), outputs_of([single]))
        await asyncio.sleep(2 * watch.PERIOD_SECONDS)
        assert value("servestack_drift_rows_total") == 100
        skipped = "servestack_drift_rows_skipped_total"
        assert value(skipped, reason="sampled") == 4900
        assert value(skipped) == 4900
        reference = drift._watches["m"].reference
        assert reference is not None
        for column in (*reference.inputs, *reference.outputs):
            # Every 40th of 4,000 even values: ten for each bucket, and for each output its row's.
            assert [own for own in column.counts.tolist() if own] == [10] * 10, column.side

    asyncio.run(ask())


def test_what_comes_after_a_pause_is_counted(tmp_path: Path) -> None:
    async def ask() -> None:
        drift, value = watched(tmp_path, Drift(rows_per_second=1000))
        drift.count("m", [[0.5]] * 3000, np.ones(3000))
        await asyncio.sleep(4 * watch.PERIOD_SECONDS)
        assert not drift._is_scheduled
        before = value("servestack_drift_rows_total")
        for _ in range(5):
            drift.count("m", [[0.5]], np.ones(1))
        await asyncio.sleep(2 * watch.PERIOD_SECONDS)
        assert value("servestack_drift_rows_total") == before + 5
        assert value("servestack_input_bucket_total") == before + 5

    asyncio.run(ask())


def test_a_busy_model_takes_no_share_of_another(tmp_path: Path) -> None:
    async def ask() -> None:
        drift, value = watched(tmp_path, Drift(rows_per_second=1000), ("m", "n"))
        drift.count("m", [[0.5]] * 5000, np.ones(5000))
        drift.count("n", [[0.5]] * 40, np.ones(40))
        assert value("servestack_drift_rows_total", model="m") == 50
        assert value("servestack_drift_rows_total", model="n") == 40

    asyncio.run(ask())
