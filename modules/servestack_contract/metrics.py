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
IN_FLIGHT_SECONDS = Metric(
    "servestack_requests_in_flight_seconds_total", "counter",
    "Seconds that requests were in flight, summed over requests, those not yet answered included. "
    "Its rate is the mean number in flight, by which autoscalers decide.",
)  # fmt: skip
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
    "servestack_input_values_total", "counter", "Input values seen, nulls included, with monitoring.drift.",
    ("column",),
)  # fmt: skip
INPUT_OUT_OF_RANGE = Metric(
    "servestack_input_out_of_range_total", "counter",
    "Input values refused because their column has a range or a list without them, with monitoring.drift.",
    ("column",),
)  # fmt: skip
_BUCKET = ("model", "profile", "column", "bucket")
INPUT_BUCKET = Metric(
    "servestack_input_bucket_total", "counter",
    "Input values by bucket of the model's profile, with monitoring.drift.", _BUCKET,
)  # fmt: skip
PREDICTION_BUCKET = Metric(
    "servestack_prediction_bucket_total", "counter",
    "Outputs of the model by bucket of its profile, with monitoring.drift.", _BUCKET,
)  # fmt: skip
PROFILE_SHARE = Metric(
    "servestack_profile_share", "gauge",
    "Share of the profile's rows in a bucket; side is input or prediction.",
    ("model", "profile", "side", "column", "bucket"),
)  # fmt: skip
PROFILE_CHI_SQUARED_LIMIT = Metric(
    "servestack_profile_chi_squared_limit", "gauge",
    "Chi-squared statistic that a column without drift hardly ever exceeds.",
    ("model", "profile", "side", "column"),
)  # fmt: skip
PROFILE_ROWS = Metric(
    "servestack_profile_rows", "gauge", "Rows of the profile, for each of its columns.",
    ("model", "profile", "side", "column"),
)  # fmt: skip
PROFILE_INFO = Metric(
    "servestack_profile_info", "gauge",
    "Always 1; source is training, or first_rows for the first rows that the pod answered.",
    ("model", "profile", "source"),
)  # fmt: skip
DRIFT_ROWS = Metric(
    "servestack_drift_rows_total", "counter",
    "Rows taken to be counted for drift: all, or a sample of more than rowsPerSecond.", ("model",),
)  # fmt: skip
DRIFT_ROWS_SKIPPED = Metric(
    "servestack_drift_rows_skipped_total", "counter",
    "Rows not counted for drift. sampled: left out of the sample. Of those taken, busy: the server had no time; form, outputs: another form.",
    ("model", "reason"),
)  # fmt: skip
DRIFT_PROBLEMS = Metric(
    "servestack_drift_problems", "gauge",
    "What keeps a model from being watched: an unreadable profile, columns that the input lacks, an unknown input.",
    ("model", "problem"),
)  # fmt: skip
SHADOW_REQUESTS = Metric(
    "servestack_shadow_requests_total", "counter",
    "Copies of answered requests for the shadow: sent, or dropped without being sent. Each copy is "
    "counted once, when it has ended.",
    ("result", "reason"),
)  # fmt: skip
SHADOW_WAITING = Metric(
    "servestack_shadow_requests_waiting", "gauge",
    "Copies of answered requests that wait for the shadow or are under way.",
)  # fmt: skip

CATALOGUE = (
    REQUESTS, REQUEST_SECONDS, IN_FLIGHT, IN_FLIGHT_SECONDS, QUEUE_DEPTH, BATCH_SIZE, PREDICTION_SECONDS,
    LOAD_SECONDS, MODEL_INFO, CONVERSION_DIFFERENCE, EVENTS_WRITTEN, EVENTS_DROPPED, EVENTS_UNSHIPPED, INPUT_VALUES,
    INPUT_OUT_OF_RANGE, INPUT_BUCKET, PREDICTION_BUCKET, PROFILE_SHARE, PROFILE_CHI_SQUARED_LIMIT,
    PROFILE_ROWS, PROFILE_INFO, DRIFT_ROWS, DRIFT_ROWS_SKIPPED, DRIFT_PROBLEMS,
    SHADOW_REQUESTS, SHADOW_WAITING,
)  # fmt: skip
