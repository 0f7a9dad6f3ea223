"""Kubernetes quantities such as `500m`, `0.5`, `300Mi`: read as integers, written in one form.

A spec needs two units: CPU in millicores, memory and storage in bytes.

Source: k8s.io/apimachinery/pkg/api/resource.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

_QUANTITY = re.compile(r"^(\d{1,15}(?:\.\d{1,9})?)(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$")
_FACTOR = {
    "": 1,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "P": 10**15,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
    "Pi": 2**50,
}
_CPU_SUFFIXES = {"", "m"}


@lru_cache(maxsize=4096)
def millicores(quantity: str) -> int:
    """Return CPU in millicores: 500 for `500m`, 1500 for `1.5`.

    Raises ValueError if `quantity` is not a whole number of millicores above zero.
    """
    number, suffix = _split(quantity)
    if suffix not in _CPU_SUFFIXES:
        raise ValueError(f"{quantity!r} is not a CPU quantity")
    value = Decimal(number) * (1 if suffix == "m" else 1000)
    if value != int(value) or value <= 0:
        raise ValueError(f"{quantity!r} is not a whole number of millicores above zero")
    return int(value)


@lru_cache(maxsize=4096)
def byte_count(quantity: str) -> int:
    """Return memory or storage in bytes: 314572800 for `300Mi`.

    Raises ValueError if `quantity` is not a whole number of bytes above zero.
    """
    number, suffix = _split(quantity)
    if suffix == "m":
        raise ValueError(f"{quantity!r} counts thousandths of a byte")
    value = Decimal(number) * _FACTOR[suffix]
    if value != int(value) or value <= 0:
        raise ValueError(f"{quantity!r} is not a whole number of bytes above zero")
    return int(value)


def _split(quantity: str) -> tuple[str, str]:
    match = _QUANTITY.match(quantity)
    if match is None:
        raise ValueError(f"{quantity!r} is not a quantity")
    return match.group(1), match.group(2) or ""


def _read_cpu(value: Any) -> str:
    text = _as_text(value)
    try:
        thousandths = millicores(text)
    except ValueError:
        raise PydanticCustomError(
            "cpu_quantity",
            "{value} is not an amount of CPU",
            {"value": repr(value), "hint": "write millicores such as 500m, or cores such as 2"},
        ) from None
    return str(thousandths // 1000) if thousandths % 1000 == 0 else f"{thousandths}m"


def _read_bytes(least: int, words: str) -> Callable[[Any], str]:
    """Return a validator for sizes of at least `least` bytes, which messages call `words`."""

    def read(value: Any) -> str:
        text = _as_text(value)
        try:
            size_bytes = byte_count(text)
        except ValueError:
            raise PydanticCustomError(
                "size",
                "{value} is not an amount of memory",
                {"value": repr(value), "hint": "write bytes with a unit, such as 300Mi or 2Gi"},
            ) from None
        if size_bytes < least:
            raise PydanticCustomError(
                "size",
                "{value} is less than {words}",
                {
                    "value": repr(value),
                    "words": words,
                    "hint": f"did you mean {text}Mi?"
                    if text.isdigit()
                    else "write a larger amount",
                },
            )
        return _canonical(size_bytes, text)

    return read


def _canonical(size_bytes: int, text: str) -> str:
    """Format a size as the API stores it, in the largest unit that divides it: `1024Mi` as `1Gi`.

    Binary units (Mi) stay binary, and decimal units (M) stay decimal.
    """
    binary = text.endswith("i")
    units = [
        (suffix, factor) for suffix, factor in _FACTOR.items() if suffix.endswith("i") == binary
    ]
    dividing = [unit for unit in units if size_bytes % unit[1] == 0]
    suffix, factor = max(dividing, key=lambda unit: unit[1], default=("", 1))
    return f"{size_bytes // factor}{suffix}"


def written_count(number: int) -> str:
    """Write a plain number as the API stores it as a quantity: `1k` for 1000."""
    return _canonical(number, "")


def written_mebibytes(mebibytes: int) -> str:
    """Write a size as the API stores it: `3Gi` for 3072 mebibytes."""
    return _canonical(mebibytes * 2**20, "Mi")


def _as_text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return ""
    return str(value)


_JSON_TYPES: dict[str, Any] = {"type": ["string", "number"]}
Cpu = Annotated[
    str,
    BeforeValidator(_read_cpu),
    WithJsonSchema(_JSON_TYPES | {"pattern": r"^\d+(\.\d+)?m?$", "examples": ["500m", 2]}),
]
"""An amount of CPU, kept in its shortest form: `0.5` and `500m` are both `500m`."""
_SIZE_SCHEMA = WithJsonSchema(
    _JSON_TYPES
    | {"pattern": r"^\d+(\.\d+)?(k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$", "examples": ["300Mi", "2Gi"]}
)
Memory = Annotated[str, BeforeValidator(_read_bytes(2**20, "one mebibyte")), _SIZE_SCHEMA]
"""An amount of memory or storage, at least one mebibyte, written as the API stores it."""
MessageSize = Annotated[str, BeforeValidator(_read_bytes(2**10, "one kibibyte")), _SIZE_SCHEMA]
"""The size of a message or request, at least one kibibyte, written as the API stores it."""
