"""Every metric that the server exports. Rules and dashboards use no others.

The server sets LABELS on all of them, so that they are the same under a PodMonitor and under
annotations. No label has a value per request, caller or row.

Metrics of requests also have SERVED, by which two versions or two sides of a rollout are compared.
A pod serves one `version` for its whole life (see `artifact.served_version`), and a `variant` is one
of three (see `variant`).
"""

from __future__ import annotations

from typing import Literal

import msgspec

LABELS = ("environment", "model_service")
SERVED = ("version", "variant")

REQUEST_SECONDS_BUCKETS: tuple[float, ...] = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
"""Upper ends in seconds. The settings add the latency objective, which then is a bucket's end."""


class Metric(msgspec.Struct, frozen=True):
    """A metric. `labels` come in addition to LABELS; `buckets` are upper ends."""

    name: str
    type: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


REQUESTS = Metric(
    "servestack_requests_total", "counter", "Requests answered.",
    ("endpoint", "http_response_code", *SERVED),
)  # fmt: skip
REQUEST_SECONDS = Metric(
    "servestack_request_duration_seconds", "histogram",
    "Time from the first byte of a request to the last byte of its answer.",
    ("endpoint", *SERVED), REQUEST_SECONDS_BUCKETS,
)  # fmt: skip
IN_FLIGHT = Metric("servestack_requests_in_flight", "gauge", "Requests in flight.")
QUEUE_DEPTH = Metric("servestack_queue_depth", "gauge", "Requests waiting for a batch.")
BATCH_SIZE = Metric(
    "servestack_batch_size", "histogram", "Rows predicted in one call.",
    ("model",), (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
)  # fmt: skip
PREDICTION_SECONDS = Metric(
    "servestack_prediction_duration_seconds", "histogram", "Time of one call of the model.",
    ("model",),
    (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)  # fmt: skip
LOAD_SECONDS = Metric(
    "servestack_model_load_seconds", "gauge", "Time to load and warm up the model.", ("model",)
)
MODEL_INFO = Metric(
    "servestack_model_info", "gauge", "Always 1; the labels name the versions that are served.",
    ("model", "version", "digest"),
)  # fmt: skip
CONVERSION_DIFFERENCE = Metric(
    "servestack_conversion_difference", "gauge",
    "Largest difference of a converted model's numbers from its framework's, when it was converted.",
    ("model", "version"),
)  # fmt: skip
EVENTS_WRITTEN = Metric(
    "servestack_events_written_total", "counter", "Events written to disk.", ("kind",)
)
EVENTS_DROPPED = Metric(
    "servestack_events_dropped_total", "counter",
    "Events lost: never written, or deleted to make room before they were shipped.",
    ("kind", "reason"),
)  # fmt: skip
EVENTS_UNSHIPPED = Metric(
    "servestack_events_unshipped_bytes", "gauge", "Bytes on disk that Kafka has not received.",
    ("kind",),
)  # fmt: skip
INPUT_VALUES = Metric(
    "servestack_input_values_total", "counter", "Input values seen, with monitoring.drift.",
    ("column",),
)  # fmt: skip
INPUT_OUT_OF_RANGE = Metric(
    "servestack_input_out_of_range_total", "counter",
    "Input values outside the range of training, with monitoring.drift.", ("column",),
)  # fmt: skip

CATALOGUE = (
    REQUESTS, REQUEST_SECONDS, IN_FLIGHT, QUEUE_DEPTH, BATCH_SIZE, PREDICTION_SECONDS,
    LOAD_SECONDS, MODEL_INFO, CONVERSION_DIFFERENCE, EVENTS_WRITTEN, EVENTS_DROPPED, EVENTS_UNSHIPPED, INPUT_VALUES,
    INPUT_OUT_OF_RANGE,
)  # fmt: skip
