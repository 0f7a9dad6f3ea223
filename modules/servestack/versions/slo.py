"""Asks a Prometheus how a version kept the model's objectives while it was in an environment.

The HTTP API is documented at https://prometheus.io/docs/prometheus/latest/querying/api/.
"""

from __future__ import annotations

import json
import math
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from servestack.errors import Problem, ResolveError
from servestack.manifests.rules import MINIMUM_REQUESTS, bucket_matcher, plain_number
from servestack.spec.observability import Slo
from servestack_contract.metrics import REQUEST_SECONDS, REQUESTS

_SECONDS = 30
_SHORTEST_SECONDS = 60
"""A shorter window holds no two scrapes, and `increase` of it is empty."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What Prometheus has of one version's requests in a window.

    `requests` is an estimate, since Prometheus extrapolates to the ends of the window. `error_ratio`
    is the share of answers of 500 and above, `slow_ratio` that of requests slower than the objective,
    `latency_seconds` the objective's percentile; None where there is no number. `slo` has the
    objectives; None if the spec has none.
    """

    window: timedelta
    requests: float
    error_ratio: float | None
    slow_ratio: float | None
    latency_seconds: float | None
    slo: Slo | None

    @property
    def is_enough(self) -> bool:
        """Whether there were as many requests as an alert needs to say anything."""
        return self.requests >= MINIMUM_REQUESTS

    @property
    def breaches(self) -> tuple[str, ...]:
        """The objectives that were missed, in words."""
        if self.slo is None or not self.is_enough:
            return ()
        found = []
        if self.error_ratio is not None and self.error_ratio > 1 - self.slo.availability / 100:
            found.append("availability")
        latency = self.slo.latency
        slow = self.slow_ratio
        if latency is not None and slow is not None and slow > 1 - latency.percentile / 100:
            found.append("latency")
        return tuple(found)


def measure(
    url: str, environment: str, model: str, version: str, slo: Slo | None, window: timedelta
) -> Measured:
    """Ask the Prometheus at `url`, its root, for a version's requests in the `window` until now.

    `version` is the metrics' label. Raises ResolveError (SRV578) if Prometheus does not answer.
    """
    seconds = max(int(window.total_seconds()), _SHORTEST_SECONDS)
    labels = {"environment": environment, "model_service": model, "version": version}
    own = ", ".join(f"{name}={json.dumps(value)}" for name, value in labels.items())

    def increase(metric: str, more: str = "") -> str:
        return f"sum(increase({metric}{{{own}{more}}}[{seconds}s]))"

    total = increase(REQUESTS.name)
    requests = _ask(url, total) or 0.0
    errors = _ask(url, increase(REQUESTS.name, ', http_response_code=~"5.."')) or 0.0
    latency = slo.latency if slo is not None else None
    slow = percentile = None
    if latency is not None and requests:
        buckets, count = f"{REQUEST_SECONDS.name}_bucket", f"{REQUEST_SECONDS.name}_count"
        fast = increase(buckets, f", {bucket_matcher(latency)}")
        slow = _ask(url, f"1 - {fast} / {increase(count)}")
        share = plain_number(latency.percentile / 100)
        percentile = _ask(
            url,
            f"histogram_quantile({share}, sum by (le) (rate({buckets}{{{own}}}[{seconds}s])))",
        )
    return Measured(
        timedelta(seconds=seconds),
        requests,
        errors / requests if requests else None,
        max(slow, 0.0) if slow is not None else None,
        percentile,
        slo,
    )


def _ask(url: str, query: str) -> float | None:
    """The value of a query that has one sample; None without any, or if it is no number."""
    address = f"{url.rstrip('/')}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise _failed(url, "is not an http or https address")
    try:
        with urllib.request.urlopen(address, timeout=_SECONDS) as answer:
            data: Any = json.load(answer)
        samples = data["data"]["result"]
        value = float(samples[0]["value"][1]) if samples else None
    except urllib.error.HTTPError as error:
        raise _failed(url, f"answers {error.code}: {_message(error)}") from None
    except urllib.error.URLError as error:
        raise _failed(url, f"does not answer: {error.reason}") from None
    except OSError as error:
        raise _failed(url, f"does not answer: {error}") from None
    except (ValueError, LookupError, TypeError):
        raise _failed(url, "does not answer as a Prometheus does") from None
    return value if value is not None and math.isfinite(value) else None


def _message(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"])
    except (ValueError, LookupError, TypeError, OSError):
        return str(error.reason)


def _failed(url: str, reason: str) -> ResolveError:
    hint = (
        "write the address of its root, such as http://prometheus:9090, or leave --prometheus out"
    )
    return ResolveError(Problem("SRV578", f"the Prometheus at {url} {reason}", hint=hint))
