"""Work that is shared among processes: the same results, in order, whatever happens to a process."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servestack import cores
from servestack.cores import in_parts
from servestack.errors import Problem, RenderError


@pytest.fixture(autouse=True)
def three_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "_cores", lambda: 3)


def children() -> set[str]:
    """This thread's processes."""
    own = Path(f"/proc/self/task/{threading.get_native_id()}/children")
    return set(own.read_text().split())


def doubled(part: Sequence[int]) -> tuple[int, list[int]]:
    return os.getpid(), [2 * item for item in part]


def test_each_part_has_a_process_and_results_come_in_order() -> None:
    parts = in_parts(range(100), doubled, least=10)
    assert [value for _, values in parts for value in values] == [2 * item for item in range(100)]
    pids = [pid for pid, _ in parts]
    assert len(set(pids)) == 3
    assert pids[0] == os.getpid()


@given(st.lists(st.integers(), max_size=40), st.integers(1, 10))
def test_nothing_is_lost_or_done_twice(items: list[int], least: int) -> None:
    for part in cores._split(items, len(items) // least):
        assert len(part) >= min(least, len(items))
    assert [item for part in cores._split(items, len(items) // least) for item in part] == items


def test_few_items_stay_in_this_process() -> None:
    assert in_parts(range(19), doubled, least=10) == [doubled(range(19))]
    assert in_parts((), doubled, least=10) == [(os.getpid(), [])]


def test_a_killed_process_changes_nothing() -> None:
    here = os.getpid()

    def killed_elsewhere(part: Sequence[int]) -> list[int]:
        if os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return list(part)

    assert in_parts(range(90), killed_elsewhere) == [list(range(90))]
    parts = in_parts(range(90), killed_elsewhere, least=30)
    assert [item for part in parts for item in part] == list(range(90))


def test_an_error_of_any_part_is_raised_here_and_no_process_is_left() -> None:
    def refuse_the_last(part: Sequence[int]) -> int:
        if 89 in part:
            raise RenderError(Problem("SRV304", "cannot be written"))
        return sum(part)

    before = children()
    with pytest.raises(RenderError, match="cannot be written"):
        in_parts(range(90), refuse_the_last, least=30)
    assert children() == before


def test_an_error_of_the_first_part_does_not_wait_for_results_that_nobody_reads() -> None:
    def refuse_the_first(part: Sequence[int]) -> bytes:
        if 0 in part:
            raise RenderError(Problem("SRV304", "cannot be written"))
        return bytes(1 << 20)  # More than a pipe holds.

    before = children()
    with pytest.raises(RenderError):
        in_parts(range(90), refuse_the_first, least=30)
    assert children() == before
