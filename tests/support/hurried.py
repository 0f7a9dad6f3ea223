"""Rules and configurations of Prometheus and Alertmanager in which time runs faster.

An alert over three days cannot be waited for. Here every duration of a file is divided by one
factor, and nothing else changes: what a rule asks of the durations to each other stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_MILLISECONDS = {
    "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000,
    "y": 31_536_000_000,
}  # fmt: skip
_PART = re.compile(r"(\d+)(ms|[smhdwy])")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
_RANGE = re.compile(r"\[([^\]]*)\]")
_KEYS = frozenset(
    {"for", "keep_firing_for", "interval", "group_wait", "group_interval", "repeat_interval"}
)
"""Keys of rules and of routes that hold a duration."""


def shorter(duration: str, factor: int) -> str:
    """A duration as Prometheus writes it, divided by the factor, in whole milliseconds.

    ValueError if it is none, or would be less than a millisecond.
    """
    if _DURATION.fullmatch(duration) is None:
        raise ValueError(f"{duration!r} is no duration")
    length = sum(int(count) * _MILLISECONDS[unit] for count, unit in _PART.findall(duration))
    if length < factor:
        raise ValueError(f"{duration!r} cannot be {factor} times shorter")
    return f"{length // factor}ms"


def hurried_query(query: str, factor: int) -> str:
    """A query with shorter ranges. ValueError for what else a query can say about time."""
    if re.search(r"\boffset\b|@", query):
        raise ValueError(f"offset and @ are not made shorter here: {query}")
    return _RANGE.sub(
        lambda found: f"[{':'.join(shorter(part, factor) for part in found[1].split(':'))}]", query
    )


def hurried(given: Any, factor: int) -> Any:
    """Groups of rules, or Alertmanager's configuration, as plain data. The argument stays."""
    if isinstance(given, Mapping):
        return {key: _value(key, value, factor) for key, value in given.items()}
    if isinstance(given, (list, tuple)):
        return [hurried(item, factor) for item in given]
    return given


def _value(key: str, value: Any, factor: int) -> Any:
    if key in _KEYS and isinstance(value, str):
        return shorter(value, factor)
    if key == "expr":
        return hurried_query(value, factor)
    return hurried(value, factor)
