"""What an event costs. Run: `taskset -c 0 python serving_image/tests/events/measure.py`.

Prints microseconds of `line` and `append` in the thread that calls them, and of a turn that is
written in it, events and bytes a second that one core writes, and what the thread beside it takes
from a loop that is busy.
"""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Callable
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any

from servestack_contract.artifact import Pin
from servestack_contract.settings import Column, Events, Input, PredictionLog, ServerSettings
from servestack_server.events.answered import Answered
from servestack_server.events.prediction import PredictionEvents
from servestack_server.events.prompt_writer import PromptWriter
from servestack_server.events.writer import EventWriter

COUNT = 100_000


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


def microseconds(call: Callable[[Any], object], values: list[Any]) -> float:
    """Time of one call: the best of five rounds over the values, less the loop's own."""
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for value in values:
            call(value)
        middle = time.perf_counter()
        for _value in values:
            pass
        best = min(best, 2 * middle - start - time.perf_counter())
    return best / len(values) * 1e6


def config(folder: str, **log: Any) -> ServerSettings:
    columns = tuple(Column(name=f"c{number}", type="double") for number in range(4))
    return ServerSettings(
        name="iris",
        models=(),
        input=Input(columns=columns),
        events=Events(
            folder=folder,
            source="/models/iris",
            kinds=("predictions", "feedback"),
            disk_budget_bytes=512 << 20,
            predictions=PredictionLog(**log),
        ),
    )


def predict(events: PredictionEvents, rows: list[list[float]], request_id: str) -> bytes | None:
    return events.line(
        Answered(
            request_id.encode(), None, "iris", "4", "/v1/iris/predict",
            seconds=0.0009123, rows=rows, values=[0],
        )
    )  # fmt: skip


def main() -> None:
    ids = [str(uuid.uuid4()) for _ in range(COUNT)]
    row = [[5.1, 3.5, 1.4, 0.2]]
    with TemporaryDirectory(prefix="servestack-events-") as folder:
        pins = [Pin("iris", "4", "ab" * 32)]
        for what, log, rows, used in (
            ("one row", {}, row, ids),
            ("one row, sample 0.1", {"sample": 0.1}, row, ids),
            ("one row, one column hashed", {"redact": {"c0": "hash"}}, row, ids),
            ("256 rows", {}, row * 256, ids[:2000]),
        ):
            events = PredictionEvents(config(folder, **log), pins=pins)
            cost = microseconds(partial(predict, events, rows), used)
            say(f"line, {what}: {cost:.2f} us")

        events = PredictionEvents(config(folder), pins=pins)
        lines = [line for one in ids if (line := predict(events, row, one)) is not None]
        settings = config(folder).events
        assert settings is not None
        writer = EventWriter(settings)
        writer.start()
        cost = microseconds(lambda line: writer.append("predictions", line), lines[:15_000])
        writer.flush(10)
        say(f"append, the other thread at work: {cost:.2f} us")
        measure_turns(lines)
        measure_throughput(writer, lines)
        measure_share(writer, lines)
        writer.close(10)
        lost = {key: count for key, count in writer.dropped.items() if count}
        # Refused while memory was full, and offered again.
        lost.pop(("predictions", "queue_full"), None)
        say(f"lost: {lost or 'none'}")


def measure_turns(lines: list[bytes]) -> None:
    """What a turn of so many lines takes until the kernel has them."""
    for count in (1, 11, 64):
        with TemporaryDirectory(prefix="servestack-events-") as folder:
            settings = config(folder).events
            assert settings is not None
            writer = PromptWriter(settings)
            writer.start()

            def write(start: int, writer: PromptWriter = writer, count: int = count) -> None:
                for line in lines[start : start + count]:
                    writer.append("predictions", line)
                writer.write_turn()

            cost = microseconds(write, list(range(0, 10_000, count)))
            writer.close(10)
        say(f"turn of {count} lines, until written: {cost:.2f} us, {cost / count:.2f} us a line")


def measure_throughput(writer: EventWriter, lines: list[bytes]) -> None:
    """As many as the disk takes: what is refused is offered again."""
    start = time.perf_counter()
    for line in lines * 5:
        while not writer.append("predictions", line):
            time.sleep(0.001)
    writer.flush(30)
    seconds = time.perf_counter() - start
    size = sum(len(line) + 1 for line in lines) * 5
    say(f"written: {5 * len(lines) / seconds:,.0f} events/s, {size / seconds / 2**20:.0f} MiB/s")


def measure_share(writer: EventWriter, lines: list[bytes]) -> None:
    """A loop of 50 us of work for an event, with the log and without."""

    def busy(log: bool) -> float:
        start = time.process_time()
        for line in lines[:20_000]:
            end = time.perf_counter() + 50e-6
            while time.perf_counter() < end:
                pass
            if log:
                writer.append("predictions", line)
        writer.flush(10)
        return time.process_time() - start

    without = min(busy(False) for _ in range(3))
    with_log = min(busy(True) for _ in range(3))
    share = with_log / without - 1
    say(f"at 20,000 requests/s of 50 us: {share:.1%} more processor time, line not included")


if __name__ == "__main__":
    main()
