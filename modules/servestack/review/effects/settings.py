"""The server's settings, `service.json`: what each field means to callers and consumers."""

from __future__ import annotations

from typing import Any

from servestack.review.diff import Change
from servestack.review.effects.table import (
    Row,
    Words,
    added,
    becomes,
    lowered,
    moved,
    name_of,
    no_longer,
    raised,
    removed,
    row,
)
from servestack_contract.settings import FILE, Drift, Limits, Shutdown

_DRIFT, _LIMITS, _SHUTDOWN = Drift(), Limits(), Shutdown()


def _who_may_call(change: Change) -> str:
    return "anyone who can reach the service may call it: no API key is asked for any more"


def _unredacted(change: Change) -> str | None:
    column = name_of(change)
    if change.new is None:
        return f"{column} is logged in clear text"
    if change.old == "drop" and change.new == "hash":
        return f"{column} is logged as a hash, and was left out before"
    return None


def _redacted(change: Change) -> str | None:
    done = {"drop": "left out of the log", "hash": "logged as a hash"}.get(str(change.new))
    return f"{name_of(change)} is {done}" if done and change.old != "drop" else None


def _origins(change: Change) -> str | None:
    values = change.new if isinstance(change.new, list) else [change.new]
    if change.new is None:
        return None
    if "*" in values:
        return "browsers of any origin may call"
    return f"browsers of {', '.join(map(str, values))} may call"


def _predictions_on(change: Change) -> str:
    log = change.new if isinstance(change.new, dict) else {}
    parts = [
        what
        for key, what in (("inputs", "rows of requests"), ("outputs", "answers"))
        if log.get(key, True)
    ]
    redacted = ", ".join(log.get("redact") or {}) or "nothing"
    return (
        f"{' and '.join(parts) or 'the times'} of {_percent(log.get('sample', 1.0))} of the "
        f"requests are logged, with {redacted} redacted"
    )


def _percent(share: Any) -> str:
    return f"{share * 100:g}%" if isinstance(share, (int, float)) else str(share)


def _sample(rising: bool) -> Words:
    def words(change: Change) -> str | None:
        old, new = (1.0 if v is None else v for v in (change.old, change.new))
        if not isinstance(old, (int, float)) or not isinstance(new, (int, float)):
            return None
        if (new > old) != rising:
            return None
        more = "more" if rising else "fewer"
        return f"{more} predictions are logged: {_percent(old)}→{_percent(new)} of the requests"

    return words


def _kinds(change: Change) -> str | None:
    if change.operation == "add":
        return f"events are written: {change.new}"
    if change.operation == "remove":
        return f"events are no longer written: {change.old}"
    return f"events are written: {change.new} in place of {change.old}"


def _column(change: Change) -> str:
    verb = {"add": "is taken as well", "remove": "is no longer taken"}.get(
        change.operation, "moves"
    )
    required = isinstance(change.new, dict) and change.new.get("required", True)
    if change.operation == "add" and required:
        verb = "must be sent"
    return f"callers: column {name_of(change)} {verb}"


def _of_column(change: Change) -> str:
    return f"callers: other values are taken for column {change.path[2]}"


def _drift_on(change: Change) -> str | None:
    """The value is a switch, or a section."""
    return "inputs and predictions are counted for drift" if change.new and not change.old else None


def _drift_off(change: Change) -> str | None:
    if change.old and not change.new:
        return "inputs and predictions are no longer counted for drift"
    return "drift is watched in another way" if change.old and change.new else None


def _items(what: str) -> Words:
    def words(change: Change) -> str:
        verb = {"add": "is added", "remove": "is removed"}.get(change.operation, "changes")
        return f"{what} {name_of(change)} {verb}"

    return words


def _skops_type(change: Change) -> str | None:
    """Types are a list or, where the whole list is added, its items."""
    values = change.new if isinstance(change.new, list) else [change.new]
    if not values or change.new is None:
        return None
    return f"objects of type {', '.join(map(str, values))} are loaded from the artifact"


_TRUSTED_CODE = "Python code from the artifact runs in the pod"
_TRUSTED_PICKLE = "pickle files of the artifact are loaded, which can run code of their author"

ROWS: tuple[Row, ...] = (
    # Who may call, and what they may do.
    row(FILE, r"^apiKeys$", "security", removed(_who_may_call)),
    row(FILE, r"^apiKeys$", "data", added("callers must send an API key")),
    row(FILE, r"^apiKeys\.header$", "data", moved("callers send the API key in the header")),
    row(FILE, r"^apiKeys\.file$", "security", "API keys are read from another file"),
    row(FILE, r"^cors\.origins(\[\d+\])?$", "security", _origins, for_new=True),
    row(FILE, r"^cors$", "data", removed("browsers of other origins may no longer call")),
    row(FILE, r"^cors\.", "data", "what browsers of other origins may send changes"),
    row(FILE, r"^trust\.code$", "security", becomes(True, _TRUSTED_CODE), for_new=True),
    row(FILE, r"^trust\.pickle$", "security", becomes(True, _TRUSTED_PICKLE), for_new=True),
    row(FILE, r"^trust\.skopsTypes(\[\d+\])?$", "security", _skops_type, for_new=True),
    row(
        FILE, r"^trust\.", "availability",
        no_longer(True, "an artifact that needs this trust no longer loads"),
    ),
    row(
        FILE, r"^limits\.maxBodyBytes$", "security",
        raised("a body may be larger:", unit="bytes", default=_LIMITS.max_body_bytes),
    ),
    row(
        FILE, r"^limits\.maxBodyBytes$", "data",
        lowered("larger bodies are refused:", unit="bytes", default=_LIMITS.max_body_bytes),
    ),
    row(
        FILE, r"^limits\.maxRows$", "security",
        raised("a request may have more rows:", default=_LIMITS.max_rows),
    ),
    row(
        FILE, r"^limits\.maxRows$", "data",
        lowered("requests with more rows are refused:", default=_LIMITS.max_rows),
    ),
    row(
        FILE, r"^limits\.maxQueue$", "security",
        raised("more requests may wait in a pod:", default=_LIMITS.max_queue),
    ),
    row(
        FILE, r"^limits\.maxQueue$", "availability",
        lowered("fewer requests may wait in a pod:", default=_LIMITS.max_queue),
    ),
    row(
        FILE, r"^limits\.maxBufferedBytes$", "security",
        raised("a pod holds more bytes of bodies:", unit="bytes"),
    ),
    row(
        FILE, r"^limits\.maxBufferedBytes$", "availability",
        lowered("a pod holds fewer bytes of bodies:", unit="bytes"),
    ),
    row(
        FILE, r"^limits\.timeoutSeconds$", "security",
        raised("a request may take longer:", unit=" s", default=_LIMITS.timeout_seconds),
    ),
    row(
        FILE, r"^limits\.timeoutSeconds$", "availability",
        lowered("requests are given up sooner:", unit=" s", default=_LIMITS.timeout_seconds),
    ),
    # What is logged.
    row(FILE, r"^events\.predictions$", "security", added(_predictions_on)),
    row(FILE, r"^events\.predictions$", "data", removed("predictions are no longer logged")),
    row(FILE, r"^events\.predictions\.redact(\.[^.]+|\[.*\])$", "security", _unredacted),
    row(FILE, r"^events\.predictions\.redact(\.[^.]+|\[.*\])$", "data", _redacted),
    row(
        FILE, r"^events\.predictions\.unit$", "security",
        added(lambda change: f"a hash of {change.new} is logged with each prediction, for an experiment"),
    ),
    row(
        FILE, r"^events\.predictions\.unit$", "data",
        removed("no hash of a caller's key is logged any more: an experiment cannot tell callers apart"),
    ),
    row(
        FILE, r"^events\.predictions\.unit$", "security",
        moved("events have the hash of another header or column:"),
    ),
    row(FILE, r"^events\.predictions\.sample$", "security", _sample(rising=True)),
    row(FILE, r"^events\.predictions\.sample$", "data", _sample(rising=False)),
    row(
        FILE, r"^events\.predictions\.inputs$", "security",
        becomes(True, "the rows of requests are logged", default=True),
    ),
    row(
        FILE, r"^events\.predictions\.inputs$", "data",
        becomes(False, "the rows of requests are no longer logged", default=True),
    ),
    row(
        FILE, r"^events\.predictions\.outputs$", "security",
        becomes(True, "answers are logged", default=True),
    ),
    row(
        FILE, r"^events\.predictions\.outputs$", "data",
        becomes(False, "answers are no longer logged", default=True),
    ),
    row(FILE, r"^events\.kinds\[\d+\]$", "data", _kinds),
    row(FILE, r"^events\.source$", "data", moved("events name another source:")),
    row(FILE, r"^events\.maxEventBytes$", "data", moved("size of an event", unit="bytes")),
    row(
        FILE, r"^events\.diskBudgetBytes$", "data",
        moved("disk for events that Kafka has not received", unit="bytes"),
    ),
    row(
        FILE, r"^events\.whenFull$", "availability",
        becomes("unready", "a pod whose disk budget is used up takes no more requests"),
    ),
    row(
        FILE, r"^events\.whenFull$", "data",
        becomes("drop", "events are dropped where the disk budget is used up", default="drop"),
    ),
    row(
        FILE, r"^events\.durability$", "data",
        becomes(
            "buffered",
            "events of the last answers are lost if a server is killed: they are written after their "
            "answers",
            default="process",
        ),
    ),
    row(
        FILE, r"^events\.durability$", "data",
        becomes("process", "events are written before their answers", default="process"),
    ),
    row(FILE, r"^events\.(registry|folder)$", "data", "events are kept in another way until Kafka has them"),
    row(FILE, r"^events$", "data", added("events are written")),
    row(FILE, r"^events$", "data", removed("no events are written")),
    # What callers send and get.
    row(FILE, r"^basePath$", "availability", moved("callers use the path")),
    row(FILE, r"^pathPrefix$", "availability", moved("callers use paths below", default="")),
    row(FILE, r"^port$", "availability", moved("the server listens on port")),
    row(FILE, r"^protocols", "data", "other protocols are spoken"),
    row(FILE, r"^errorStyle$", "data", moved("form of errors", default="status")),
    row(FILE, r"^models\[.*\]$", "data", _items("model")),
    row(FILE, r"^models\[.*\]\.", "data", "a model is read from another path"),
    row(FILE, r"^graph", "data", "how the models answer together changes"),
    row(FILE, r"^outputs", "data", "other outputs are answered"),
    row(FILE, r"^runtime$", "data", moved("predictions are computed by", default="auto")),
    row(FILE, r"^onnxTolerance$", "data", moved("difference that a conversion may have")),
    row(FILE, r"^input\.example", "none", "the example on the Swagger page and for warm-up changes"),
    row(FILE, r"^input\.columns\[[^]]*\]$", "data", _column),
    row(FILE, r"^input\.columns\[[^]]*\].", "data", _of_column),
    row(FILE, r"^input\.unknownColumns$", "data", moved("unknown columns:", default="refuse")),
    row(FILE, r"^input\.", "data", "callers: another input is taken"),
    row(FILE, r"^params(\[|$)", "data", "callers: other parameters are taken"),
    # How it runs.
    row(
        FILE, r"^shutdown\.requestSeconds$", "availability",
        moved("time of a request to end when its pod stops", unit=" s", default=_SHUTDOWN.request_seconds),
    ),
    row(FILE, r"^batching$", "availability", added("requests are batched")),
    row(FILE, r"^batching$", "availability", removed("each request is predicted in its own call")),
    row(FILE, r"^batching\.maxBatchSize$", "availability", moved("rows of a batch")),
    row(FILE, r"^batching\.maxLatencyMs$", "availability", moved("wait for a batch", unit=" ms")),
    row(
        FILE, r"^metrics\.latencyBucketsSeconds", "availability",
        "the latency objective counts only pods that have the new threshold, until all have restarted",
    ),
    row(FILE, r"^metrics\.drift$", "none", _drift_on),
    row(FILE, r"^metrics\.drift$", "availability", _drift_off),
    row(
        FILE, r"^metrics\.drift\.baselineRows$", "none",
        moved("first rows of a pod that are the reference for drift, without a profile:",
              default=_DRIFT.baseline_rows),
    ),
    row(
        FILE, r"^metrics\.drift\.rowsPerSecond$", "none",
        moved("rows that a pod counts for drift per second:", default=_DRIFT.rows_per_second),
    ),
    row(FILE, r"^metrics\.drift\.(columns|maxColumns)", "availability", "other columns are watched for drift"),
    row(FILE, r"^(name|environment)$", "data", moved("events and metrics name another service:")),
    row(FILE, r"^variantFile$", "none", "events and metrics tell stable pods from canaries"),
    row(FILE, r"^log\.", "none", "the server's own log has another level or form"),
    row(FILE, r"^description$", "none", "the description on the Swagger page changes"),
)  # fmt: skip
