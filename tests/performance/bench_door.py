"""A thousand callers without a key that send 4 MB each, and one allowed caller meanwhile.

    make bench-door             1,000 callers, each once: about a minute
    make bench-door CALLERS=150

The server has core 0; both the callers without a key and the allowed one share core 1, the latter
first in line, so that its waiting is the server's. Everything stays on 127.0.0.1.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serving_image.tests.support.iris import train_iris
from serving_image.tests.support.server import running_server

from tests.performance.serving.process import CLIENT_CORE, SERVER_CORE

BODY_BYTES = 4 << 20
PIECE = b"[" * (64 << 10)
HEAD = (
    "POST /v1/iris/predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    f"content-length: {BODY_BYTES}\r\n\r\n"
).encode()
ALONE_SECONDS = 5.0
PAUSE_SECONDS = 0.005
MOST_MIB = 150
MOST_TIMES = 3.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench_door")
    parser.add_argument("--callers", type=int, default=1000, help="without a key, all at once")
    callers: int = parser.parse_args().callers
    if not {SERVER_CORE, CLIENT_CORE} <= os.sched_getaffinity(0):
        print("two cores are needed: one for the server, one for the callers", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="servestack-bench-") as name:
        folder = Path(name)
        keys = folder / "keys"
        keys.write_text("the-key\n")
        iris = train_iris(folder / "model")
        config = iris.config(apiKeys={"file": str(keys)})
        with running_server(config, folder / "server") as server:
            os.sched_setaffinity(server.process.pid, {SERVER_CORE})
            os.sched_setaffinity(0, {CLIENT_CORE})
            with _asking(server.port, json.dumps([iris.rows[0]])) as seconds:
                time.sleep(ALONE_SECONDS)
                alone, idle = list(seconds), _resident_mib(server.process.pid)
                seconds.clear()
                answers, peak = _flood(server.port, callers, server.process.pid)
                beside = list(seconds)
    held, times = peak - idle, _p99(beside) / _p99(alone)
    print(f"{callers} callers without a key, {BODY_BYTES >> 20} MiB each: {answers}")
    print(f"memory: {idle:.0f} MiB idle, {held:+.0f} MiB at the most (bar {MOST_MIB})")
    print(
        f"the allowed caller: p99 {_p99(alone) * 1000:.1f} ms alone ({len(alone)} requests), "
        f"{_p99(beside) * 1000:.1f} ms beside them ({len(beside)}): {times:.1f} times (bar {MOST_TIMES:.0f})"
    )
    return 0 if held < MOST_MIB and times <= MOST_TIMES else 1


@contextmanager
def _asking(port: int, body: str) -> Iterator[list[float]]:
    """One caller with a key, all the time: the seconds of each of its requests so far."""
    seconds: list[float] = []
    ended = threading.Event()

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        headers = {"x-api-key": "the-key", "content-type": "application/json"}
        while not ended.is_set():
            before = time.perf_counter()
            connection.request("POST", "/v1/iris/predict", body, headers)
            answer = connection.getresponse()
            answer.read()
            seconds.append(time.perf_counter() - before)
            if answer.status != 200:
                raise RuntimeError(f"the allowed caller got {answer.status}")
            time.sleep(PAUSE_SECONDS)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield seconds
    finally:
        ended.set()
        thread.join()


def _flood(port: int, callers: int, pid: int) -> tuple[str, float]:
    """What the callers without a key got, and the server's memory in MiB at its highest."""
    context = multiprocessing.get_context("spawn")
    told = context.SimpleQueue()
    flood = context.Process(target=_send_all, args=(port, callers, told))
    flood.start()
    peak = 0.0
    while flood.is_alive():
        peak = max(peak, _resident_mib(pid))
        time.sleep(0.05)
    counted: Counter[str] = told.get()
    return ", ".join(f"{count} {what}" for what, count in counted.most_common()), peak


def _send_all(port: int, callers: int, told: multiprocessing.SimpleQueue[Counter[str]]) -> None:
    os.nice(15)
    counted: Counter[str] = Counter()

    async def send() -> None:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(HEAD)
            for _ in range(BODY_BYTES // len(PIECE)):
                writer.write(PIECE)
                await writer.drain()
            counted[(await reader.read(64))[9:12].decode() or "closed"] += 1
            writer.close()
        except OSError as error:
            counted[type(error).__name__] += 1

    async def all_at_once() -> None:
        await asyncio.gather(*(send() for _ in range(callers)))

    asyncio.run(all_at_once())
    told.put(counted)


def _resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _p99(seconds: list[float]) -> float:
    return sorted(seconds)[int(len(seconds) * 0.99)]


if __name__ == "__main__":
    sys.exit(main())
