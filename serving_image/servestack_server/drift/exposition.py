"""The metrics of drift in Prometheus' text format.

A model with 50 columns has 1,300 samples. prometheus_client would take 10 ms for them at each scrape,
in which nothing is answered. So it writes them once, and a scrape only fills in the counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from servestack_contract import metrics as catalogue
from servestack_contract.metrics import Metric
from servestack_server.drift.model_watch import ModelWatch, Reference, WatchedColumn
from servestack_server.metrics import ServerMetrics

Sample = tuple[tuple[str, ...], float]


class _Counted:
    """The text of one counter with a sample for each bucket."""

    def __init__(
        self, metrics: ServerMetrics, metric: Metric,
        columns: Sequence[tuple[ModelWatch, Reference, WatchedColumn]],
    ) -> None:  # fmt: skip
        samples = [
            ((watch.name, reference.id, column.label, label), 0.0)
            for watch, reference, column in columns
            for label in column.labels
        ]
        lines = metrics.text_of(metric, samples).splitlines()
        self._head = [line for line in lines if line.startswith("#")]
        self._starts = [line.rpartition(" ")[0] for line in lines if not line.startswith("#")]
        self._columns = [column for _, _, column in columns]

    def lines(self) -> Iterable[str]:
        counts = chain.from_iterable(column.counts.tolist() for column in self._columns)
        samples = (f"{start} {count}" for start, count in zip(self._starts, counts, strict=True))
        return chain(self._head, samples)


class DriftExposition:
    """The metrics of all models that are watched. Call `refresh` when one gets its profile."""

    def __init__(self, metrics: ServerMetrics, watches: Sequence[ModelWatch]) -> None:
        self._metrics = metrics
        self._watches = watches
        self.refresh()

    def refresh(self) -> None:
        """Write anew what changes with the profiles alone."""
        metrics, known = self._metrics, list(self._references())
        inputs = [(w, r, column) for w, r in known for column in r.inputs]
        outputs = [(w, r, column) for w, r in known for column in r.outputs]
        self._counted = (
            _Counted(metrics, catalogue.INPUT_BUCKET, inputs),
            _Counted(metrics, catalogue.PREDICTION_BUCKET, outputs),
        )
        columns = inputs + outputs
        self._fixed = "".join(
            (
                metrics.text_of(
                    catalogue.PROFILE_SHARE,
                    [
                        ((w.name, r.id, column.side, column.label, label), share)
                        for w, r, column in columns
                        for label, share in zip(column.labels, column.shares, strict=True)
                    ],
                ),
                metrics.text_of(
                    catalogue.PROFILE_CHI_SQUARED_LIMIT,
                    [((w.name, r.id, c.side, c.label), c.limit) for w, r, c in columns],
                ),
                metrics.text_of(
                    catalogue.PROFILE_ROWS,
                    [((w.name, r.id, c.side, c.label), r.profile.rows) for w, r, c in columns],
                ),
                metrics.text_of(
                    catalogue.PROFILE_INFO, [((w.name, r.id, r.source), 1) for w, r in known]
                ),
            )
        )

    def text(self) -> str:
        """Return all samples as they are now."""
        counted = chain.from_iterable(family.lines() for family in self._counted)
        return "".join((self._fixed, *(f"{line}\n" for line in counted), *self._by_model()))

    def _by_model(self) -> Iterator[str]:
        watches, text_of = self._watches, self._metrics.text_of
        yield text_of(catalogue.DRIFT_ROWS, [((w.name,), w.sample.taken) for w in watches])
        yield text_of(
            catalogue.DRIFT_ROWS_SKIPPED,
            [((w.name, reason), rows) for w in watches for reason, rows in w.left_out.items()],
        )
        yield text_of(
            catalogue.DRIFT_PROBLEMS,
            [((w.name, problem), value) for w in watches for problem, value in w.problems.items()],
        )

    def _references(self) -> Iterator[tuple[ModelWatch, Reference]]:
        for watch in self._watches:
            if watch.reference is not None:
                yield watch, watch.reference
