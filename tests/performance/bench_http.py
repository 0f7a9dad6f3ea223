"""The server's HTTP layer beside others', doing the same work: ratios from one run.

    make bench-http             5 s a measurement: 2 minutes
    make bench-http SECONDS=2   quicker

Each server reads a body of one row, decodes it with msgspec and answers with a constant: what is left
is HTTP. A server has core 0, the load comes from core 1; everything stays on 127.0.0.1. docs/adr/0008
has what follows from it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from tools.install import install

from tests.performance.serving import wrk
from tests.performance.serving.process import CLIENT_CORE, SERVER_CORE, Launch, running
from tests.performance.serving.quiet import Watch
from tests.performance.serving.venvs import HERE, PeerFailedError, image_venv, peer_venv
from tests.support.ports import free_ports

BODY = b"[[5.1,3.5,1.4,0.2]]\n"
CONNECTIONS = (1, 16, 64)
OURS = "servestack"
FLOOR = "uvloop and httptools, bare"


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench_http")
    parser.add_argument("--seconds", type=int, default=5, help="of one measurement")
    seconds = parser.parse_args().seconds
    if not {SERVER_CORE, CLIENT_CORE} <= os.sched_getaffinity(0):
        print("two cores are needed: one for the server, one for the load", file=sys.stderr)
        return 1
    install("wrk")
    os.sched_setaffinity(0, {CLIENT_CORE})
    rates: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="servestack-bench-") as folder:
        bodies = Path(folder) / "bodies.jsonl"
        bodies.write_bytes(BODY)
        for name, (venv, command) in _servers().items():
            (port,) = free_ports(1)
            words = [word.format(port=port) for word in command]
            launch = Launch(
                [str(venv / "bin" / words[0]), *words[1:]], HERE / "peers/floor", {}, port, "/"
            )
            try:
                rates[name] = _measured(launch, Path(folder) / "log", bodies, seconds)
            except PeerFailedError as error:
                print(f"{name}: {error}", file=sys.stderr)
    _print(rates)
    return 0 if OURS in rates else 1


def _servers() -> dict[str, tuple[Path, list[str]]]:
    floor = peer_venv("floor")
    uvicorn = ["uvicorn", "asgi:app", "--http=httptools", "--loop=uvloop"]
    granian = ["granian", "--interface=rsgi", "--workers=1", "--host=127.0.0.1"]
    return {
        OURS: (image_venv(), ["python", str(HERE / "http_layer.py"), "{port}"]),
        FLOOR: (floor, ["python", "echo.py", "{port}"]),
        "uvicorn, ASGI on httptools": (floor, [*uvicorn, "--no-access-log", "--port={port}"]),
        "granian, RSGI": (floor, [*granian, "--port={port}", "rsgi:app"]),
    }


def _measured(launch: Launch, log: Path, bodies: Path, seconds: int) -> list[float]:
    """Requests a second over each number of connections."""
    found = []
    with running(launch, log) as server:
        for connections in CONNECTIONS:
            url = f"http://127.0.0.1:{launch.port}/"
            wrk.measure(url, bodies, connections=connections, seconds=1)
            watch = Watch(server.processes())
            figures = wrk.measure(url, bodies, connections=connections, seconds=seconds)
            if figures.failures:
                raise PeerFailedError(figures.failures)
            others = watch.others_share()
            if others > 0.1:
                print(f"{launch.command[0]}: others had {others:.0%} of a core", file=sys.stderr)
            found.append(figures.requests_per_second)
    return found


def _print(rates: dict[str, list[float]]) -> None:
    """One line a server: requests a second, and the ratio of ours to it."""
    mine = rates.get(OURS)
    print(
        "| requests/s over | " + " | ".join(f"{count} connections" for count in CONNECTIONS) + " |"
    )
    print("| --- |" + " ---: |" * len(CONNECTIONS))
    for name, found in rates.items():
        cells = [
            f"{rate:,.0f}" + (f" ({own / rate:.2f}×)" if mine and name != OURS else "")
            for rate, own in zip(found, mine or found, strict=True)
        ]
        print(f"| {name} | " + " | ".join(cells) + " |")
    print("\nIn brackets: how many times as many servestack's HTTP answers, in the same run.")


if __name__ == "__main__":
    raise SystemExit(main())
