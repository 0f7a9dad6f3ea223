"""The figures that post.lua prints at the end of wrk's own output."""

from __future__ import annotations

import pytest

from tests.performance.serving.venvs import PeerFailedError
from tests.performance.serving.wrk import parse

OUTPUT = """Running 5s test @ http://127.0.0.1:8080/v1/iris/predict
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.53ms    0.30ms   9.80ms   91.00%
    Req/Sec    10.33k     0.40k   11.00k    80.00%
  51650 requests in 5.00s, 7.10MB read
Requests/sec:  10330.00
Transfer/sec:      1.42MB
figures {"requests": 51650, "duration_us": 5000000, "p50_us": 1530, "p99_us": 2290, \
"max_us": 9800, "connect": 0, "read": 3, "write": 0, "timeout": 0, "status": 12}
"""


def test_figures_are_read_in_their_units() -> None:
    figures = parse(OUTPUT)
    assert figures.requests_per_second == 10330.0
    assert (figures.p50_ms, figures.p99_ms, figures.max_ms) == (1.53, 2.29, 9.8)


def test_failed_requests_are_named_by_kind() -> None:
    assert parse(OUTPUT).failures == "3 read errors, 12 status errors"


def test_output_without_figures_is_a_failure_not_a_zero() -> None:
    with pytest.raises(PeerFailedError, match="no figures"):
        parse("unable to connect to 127.0.0.1:8080 Connection refused\n")
