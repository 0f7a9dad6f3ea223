"""The counters of the server, and their exposition for Prometheus.

Answering a request only adds to integers and lists; prometheus_client makes the exposition format
when Prometheus scrapes. `servestack_contract.metrics` defines names, help texts and buckets.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from servestack_contract import metrics as catalogue
from servestack_contract import variant
from servestack_contract.metrics import Metric
from servestack_contract.variant import Variant

if TYPE_CHECKING:
    from servestack_contract.settings import ServerSettings
    from servestack_server.events.writer import EventWriter
    from servestack_server.shadow.copies import Copies

Families = Iterable[Any]


class Histogram:
    """Counts of values per bucket, by upper bound, and the sum of the values."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """Return (upper bound, number of values up to it), cumulative as in the text format."""
        buckets, running = [], 0
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            running += count
            buckets.append(("+Inf" if bound == float("inf") else f"{float(bound)!r}", running))
        return buckets  # type: ignore[return-value]


class EndpointMetrics:
    """The requests of one endpoint.

    `by_status` and `seconds` count for the current variant. `counts` has both for every variant that
    the pod has had: counters may not shrink, so those of the past stay as they are.
    """

    __slots__ = ("_buckets", "by_status", "counts", "path", "seconds")

    def __init__(self, path: str, buckets: Sequence[float], current: Variant) -> None:
        self.path = path
        self._buckets = buckets
        self.counts: dict[Variant, tuple[dict[int, int], Histogram]] = {}
        self.change(current)

    def change(self, current: Variant) -> None:
        """Count what follows for another variant."""
        found = self.counts.get(current)
        if found is None:
            # Prometheus sees no increase in a series that is new: it must begin at 0.
            statuses = {status: 0 for each, _ in self.counts.values() for status in each}
            found = self.counts[current] = (statuses, Histogram(self._buckets))
        self.by_status, self.seconds = found

    def count(self, status: int, seconds: float) -> None:
        """Count an answered request.

        `status` is the real one, also if the caller sees 200 (`errorStyle: ok200`).
        """
        self.by_status[status] = self.by_status.get(status, 0) + 1
        self.seconds.observe(seconds)


class ModelMetrics:
    """The calls of one model."""

    __slots__ = (
        "batch_rows", "difference", "digest", "load_seconds", "name", "seconds", "version"
    )  # fmt: skip

    def __init__(self, name: str, version: str, digest: str) -> None:
        self.name, self.version, self.digest = name, version, digest
        self.load_seconds = 0.0
        self.difference: float | None = None
        self.batch_rows = Histogram(catalogue.BATCH_SIZE.buckets)
        self.seconds = Histogram(catalogue.PREDICTION_SECONDS.buckets)


class _Families(list[Any]):
    """Families as a collector of prometheus_client."""

    def collect(self) -> Families:
        return self


class ServerMetrics:
    """All counters. `queue_depth`, `in_flight`, `in_flight_seconds`, `rows_seen` and `drift_text` are
    called when Prometheus scrapes.

    `drift_text` returns further families in the text format, whole.

    `version` is that of the whole service, which requests are labelled with.
    """

    def __init__(
        self, config: ServerSettings, version: str = "-", current: Variant = variant.DEFAULT
    ) -> None:
        self._version = version
        self._variant: Variant = current
        self._labels = dict(zip(catalogue.LABELS, (config.environment, config.name), strict=True))
        self._buckets = config.metrics.latency_buckets_seconds
        self.endpoints: dict[str, EndpointMetrics] = {}
        self.models: dict[str, ModelMetrics] = {}
        self.drift_columns: tuple[str, ...] = ()
        self.input_out_of_range: dict[str, int] = {}
        self.queue_depth: Callable[[], int] = int
        self.in_flight: Callable[[], int] = int
        self.in_flight_seconds: Callable[[], float] = float
        self.events: EventWriter | None = None
        self.copies: Copies | None = None
        self.rows_seen: Callable[[], int] = int
        self.drift_text: Callable[[], str] = str

    def endpoint(self, path: str) -> EndpointMetrics:
        """Return the counters of a path, which are made on first use."""
        found = self.endpoints.get(path)
        if found is None:
            found = self.endpoints[path] = EndpointMetrics(path, self._buckets, self._variant)
        return found

    def change_variant(self, current: Variant) -> None:
        """Label the requests that follow with another variant."""
        self._variant = current
        for endpoint in self.endpoints.values():
            endpoint.change(current)

    def model(self, name: str, version: str, digest: str) -> ModelMetrics:
        """Return the counters of a model, which are made on first use."""
        return self.models.setdefault(name, ModelMetrics(name, version, digest))

    def exposition(self) -> bytes:
        """Return all metrics in the text format of Prometheus."""
        from prometheus_client.exposition import generate_latest

        return generate_latest(self) + self.drift_text().encode()

    def text_of(self, metric: Metric, samples: Iterable[tuple[Sequence[str], float]]) -> str:
        """Return one family in the text format. A sample is the values of its labels, and its own."""
        from prometheus_client.exposition import generate_latest

        family = self._family(metric)
        for labels, value in samples:
            self._add(family, value, *labels)
        return generate_latest(_Families([family])).decode()

    def collect(self) -> Families:
        """Yield the metric families, as a collector of prometheus_client does."""
        yield from self._requests()
        yield from self._predictions()
        yield from self._event_families()
        yield from self._inputs()
        yield from self._copied()

    def _requests(self) -> Families:
        requests = self._family(catalogue.REQUESTS)
        seconds = self._family(catalogue.REQUEST_SECONDS)
        for path, endpoint in self.endpoints.items():
            for name, (by_status, durations) in endpoint.counts.items():
                for status, count in sorted(by_status.items()):
                    self._add(requests, count, path, str(status), self._version, name)
                self._add_histogram(seconds, durations, path, self._version, name)
        in_flight = self._family(catalogue.IN_FLIGHT)
        self._add(in_flight, self.in_flight())
        in_flight_seconds = self._family(catalogue.IN_FLIGHT_SECONDS)
        self._add(in_flight_seconds, self.in_flight_seconds())
        depth = self._family(catalogue.QUEUE_DEPTH)
        self._add(depth, self.queue_depth())
        return requests, seconds, in_flight, in_flight_seconds, depth

    def _predictions(self) -> Families:
        rows = self._family(catalogue.BATCH_SIZE)
        seconds = self._family(catalogue.PREDICTION_SECONDS)
        load = self._family(catalogue.LOAD_SECONDS)
        info = self._family(catalogue.MODEL_INFO)
        difference = self._family(catalogue.CONVERSION_DIFFERENCE)
        for model in self.models.values():
            self._add_histogram(rows, model.batch_rows, model.name)
            self._add_histogram(seconds, model.seconds, model.name)
            self._add(load, model.load_seconds, model.name)
            self._add(info, 1, model.name, model.version, model.digest)
            if model.difference is not None:
                self._add(difference, model.difference, model.name, model.version)
        return rows, seconds, load, info, difference

    def _event_families(self) -> Families:
        written = self._family(catalogue.EVENTS_WRITTEN)
        dropped = self._family(catalogue.EVENTS_DROPPED)
        unshipped = self._family(catalogue.EVENTS_UNSHIPPED)
        if self.events is not None:
            for kind, count in self.events.written.items():
                self._add(written, count, kind)
            for (kind, reason), count in self.events.dropped.items():
                self._add(dropped, count, kind, reason)
            for kind, size_bytes in self.events.unshipped_bytes.items():
                self._add(unshipped, size_bytes, kind)
        return written, dropped, unshipped

    def _inputs(self) -> Families:
        values = self._family(catalogue.INPUT_VALUES)
        outside = self._family(catalogue.INPUT_OUT_OF_RANGE)
        rows = self.rows_seen()
        for column in self.drift_columns:
            self._add(values, rows, column)
        for column, count in self.input_out_of_range.items():
            self._add(outside, count, column)
        return values, outside

    def _copied(self) -> Families:
        requests = self._family(catalogue.SHADOW_REQUESTS)
        waiting = self._family(catalogue.SHADOW_WAITING)
        if self.copies is not None and self.copies.counts:
            for (result, reason), count in self.copies.counts.items():
                self._add(requests, count, result, reason)
            self._add(waiting, self.copies.waiting)
        return requests, waiting

    def _family(self, metric: Metric) -> Any:
        from prometheus_client import core

        families: dict[str, Any] = {
            "counter": core.CounterMetricFamily,
            "gauge": core.GaugeMetricFamily,
            "histogram": core.HistogramMetricFamily,
        }
        return families[metric.type](
            metric.name, metric.help, labels=[*self._labels, *metric.labels]
        )

    def _add(self, family: Any, value: float, *labels: str) -> None:
        family.add_metric([*self._labels.values(), *labels], value)

    def _add_histogram(self, family: Any, histogram: Histogram, *labels: str) -> None:
        family.add_metric(
            [*self._labels.values(), *labels], histogram.buckets(), sum_value=histogram.total
        )
