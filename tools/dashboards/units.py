"""Values as Grafana writes them, by the name of their unit."""

from __future__ import annotations

import math

_SUFFIX = {"reqps": " req/s", "eps": " ev/s", "cps": "/s", "short": "", "none": ""}
_TIMES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB")
_DECIMAL = ("", " K", " Mil", " Bil")


def text_of(value: float, unit: str, decimals: int | None = None) -> str:
    """A value with its unit, with about three digits unless `decimals` are asked for."""
    if math.isnan(value):
        return "–"
    if unit == "percentunit":
        return f"{_digits(value * 100, decimals)}%"
    if unit == "s":
        scale, name = next((one for one in _TIMES if abs(value) >= one[0]), _TIMES[-1])
        if value == 0:
            scale, name = _TIMES[0]
        return f"{_digits(value / scale, decimals)} {name}"
    if unit == "bytes":
        power = min(int(math.log(abs(value), 1024)), len(_BINARY) - 1) if abs(value) >= 1 else 0
        return f"{_digits(value / 1024**power, decimals)} {_BINARY[power]}"
    suffix = unit.removeprefix("suffix:") if unit.startswith("suffix:") else _SUFFIX[unit]
    power = min(int(math.log(abs(value), 1000)), len(_DECIMAL) - 1) if abs(value) >= 1000 else 0
    return f"{_digits(value / 1000**power, decimals)}{_DECIMAL[power]}{suffix}"


def _digits(value: float, decimals: int | None) -> str:
    if decimals is None:
        size = abs(value)
        decimals = 0 if size >= 100 or value == int(value) else 1 if size >= 10 else 2
        text = f"{value:.{decimals}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{value:.{decimals}f}"


def ticks(low: float, high: float, count: int, unit: str) -> list[float]:
    """Round values between two, about `count` of them."""
    if high <= low:
        return [low]
    base = 1024 if unit == "bytes" else 10
    rough = (high - low) / count
    power = base ** math.floor(math.log(rough, base))
    steps = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024) if base == 1024 else (1, 2, 2.5, 5, 10)
    step = next(power * one for one in steps if power * one >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(index * step, 12) for index in range(first, math.floor(high / step + 1e-9) + 1)]
