"""Quantities are read exactly, and written as the API stores them."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter

from servestack.spec.quantities import Cpu, Memory, MessageSize, byte_count, millicores


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("1024Mi", "1Gi"), ("300Mi", "300Mi"), ("1536Mi", "1536Mi"), ("1.5Gi", "1536Mi"),
        ("1000M", "1G"), ("1500M", "1500M"), (2097152, "2097152"), ("3000000", "3M"),
    ],
)  # fmt: skip
def test_memory(written: str | int, stored: str) -> None:
    assert TypeAdapter(Memory).validate_python(written) == stored
    assert byte_count(stored) == byte_count(str(written))


def test_a_size_that_no_unit_divides() -> None:
    assert TypeAdapter(MessageSize).validate_python("1.5Ki") == "1536"


@pytest.mark.parametrize(("written", "stored"), [("0.5", "500m"), (2, "2"), ("1500m", "1500m")])
def test_cpu(written: str | int, stored: str) -> None:
    assert TypeAdapter(Cpu).validate_python(written) == stored
    assert millicores(stored) == millicores(str(written))
