"""Load by wrk from one thread on the client's core, and what it measured."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tools.install import install

from tests.performance.serving.process import CLIENT_CORE
from tests.performance.serving.venvs import PeerFailedError

SCRIPT = Path(__file__).with_name("post.lua")
ERRORS = ("connect", "read", "write", "timeout", "status")


@dataclass(frozen=True)
class Figures:
    """Of one run: answers, requests a second, latencies in ms, failed requests by kind."""

    requests: int
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    errors: dict[str, int]

    @property
    def failures(self) -> str:
        """In words; empty where every answer was good."""
        return ", ".join(f"{count} {kind} errors" for kind, count in self.errors.items())


def measure(url: str, bodies: Path, *, connections: int, seconds: int) -> Figures:
    """POST the lines of the file in turn, for so long, over that many connections."""
    command = ["taskset", "-c", str(CLIENT_CORE), str(install("wrk")), "-t1"]
    command += [f"-c{connections}", f"-d{seconds}s", "-s", str(SCRIPT), url, "--", str(bodies)]
    try:
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=seconds + 30
        )
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout).strip().splitlines() or ["no message"]
        raise PeerFailedError(f"wrk: {said[-1]}") from None
    except subprocess.TimeoutExpired:
        raise PeerFailedError("wrk did not end 30 s after its time") from None
    return parse(done.stdout)


def parse(output: str) -> Figures:
    """The line that post.lua writes at the end. PeerFailedError where there is none."""
    for line in output.splitlines():
        if line.startswith("figures "):
            raw = json.loads(line.removeprefix("figures "))
            return Figures(
                requests=raw["requests"],
                requests_per_second=raw["requests"] / (raw["duration_us"] / 1e6),
                p50_ms=raw["p50_us"] / 1000,
                p99_ms=raw["p99_us"] / 1000,
                max_ms=raw["max_us"] / 1000,
                errors={kind: raw[kind] for kind in ERRORS if raw[kind]},
            )
    raise PeerFailedError("wrk printed no figures")
