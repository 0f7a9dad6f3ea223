"""How long `servestack render` takes, beside its peers, in one run on one machine.

    make bench-render            1, 10, 100, 1000 models
    make bench-render MODELS=10

Every figure is a whole process from a cold start: median of several runs, and the peak memory that
the operating system reports for it. Peers get the objects that servestack renders for one model,
under as many names: Kustomize a base and an overlay a model, Helm a chart with one release's
values a model, cdk8s the same objects through its typed or API-object constructs.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import yaml

from servestack.resolve.lock import Lock, LockedArtifact, write_lock
from servestack.yaml_writer import dump
from tests.performance import peers
from tests.support.projects import REPOSITORY

BIN = Path(sys.executable).parent
LIMIT_SECONDS = 5.0
LIMIT_MEGABYTES = 250
ENOUGH_SECONDS = 20.0
"""Of one command, all runs together; after it no further run is begun."""
MOST_SECONDS = 90.0
"""Of one run; after it the command is ended."""


@dataclass(frozen=True)
class Figure:
    """Median seconds of a whole process, and its peak memory."""

    seconds: float
    megabytes: float


def main() -> int:
    counts = [int(argument) for argument in sys.argv[1:]] or [1, 10, 100, 1000]
    with tempfile.TemporaryDirectory(prefix="servestack-bench-") as folder:
        table = run(Path(folder), counts)
    report(counts, table)
    return 0


def run(folder: Path, counts: list[int]) -> dict[str, dict[int, Figure | str]]:
    table: dict[str, dict[int, Figure | str]] = {}
    for count in counts:
        project = folder / f"project-{count}"
        make_project(project, count)
        command = [str(BIN / "servestack"), "render", "prod"]

        def put_aside(rendered: Path = project / "rendered") -> None:
            # Not deleted: ext4 is slow to make files right after many were taken away.
            if rendered.exists():
                rendered.rename(rendered.with_name(f"rendered-{time.monotonic_ns()}"))

        figure = measure(command, project, before=put_aside)
        table.setdefault("servestack render", {})[count] = figure
        say(f"servestack, {count} models: {words(figure)}")
        warm = measure(command, project)
        table.setdefault("servestack render, nothing changed", {})[count] = warm
        printed = measure([*command, "--stdout"], project)
        table.setdefault("servestack render --stdout", {})[count] = printed
        objects = model_objects(project)
        for peer in peers.PEERS:
            table.setdefault(peer.name, {})[count] = bench_peer(peer, folder, objects, count)
    return table


def bench_peer(
    peer: peers.Peer, folder: Path, objects: list[dict[str, object]], count: int
) -> Figure | str:
    if count > peer.most_models:
        return "not run"
    try:
        command, where = peer.prepare(folder / f"{peer.name}-{count}", objects, count)
    except peers.NotInstallableError as error:
        return str(error)
    figure = measure(command, where)
    say(f"{peer.name}, {count} models: {words(figure)}")
    return figure


def words(figure: Figure | str) -> str:
    if isinstance(figure, str):
        return figure
    return f"{figure.seconds:.2f} s, {figure.megabytes:.0f} MB"


def make_project(root: Path, count: int) -> None:
    """Models that differ in more than their names, as those of a company would."""
    shutil.copytree(
        REPOSITORY / "stacks", root / "stacks", ignore=shutil.ignore_patterns("*.lock.*")
    )
    (root / "models").mkdir()
    lock: dict[str, dict[str, LockedArtifact]] = {}
    signature = {"inputs": [{"name": f"x{i}", "type": "double"} for i in range(4)]}
    for number in range(count):
        name = f"model-{number:04d}"
        spec = {
            "apiVersion": "servestack/v1",
            "kind": "ModelService",
            "name": name,
            "owner": f"team-{number % 17}",
            "description": f"Model number {number}.",
            "artifact": f"models:/{name}@production",
            "resources": {
                "cpu": f"{250 * (1 + number % 8)}m",
                "memory": f"{256 * (1 + number % 6)}Mi",
            },
            "autoscaling": {
                "min": 2 + number % 3,
                "max": 6 + number % 10,
                "cpuPercent": 50 + number % 30,
            },
            "monitoring": {
                "slo": {
                    "availability": (99, 99.5, 99.9)[number % 3],
                    "latency": {"percentile": 95, "milliseconds": 50 * (1 + number % 5)},
                }
            },
        }
        (root / f"models/{name}.yaml").write_text(dump(spec))
        lock[name] = {
            name: LockedArtifact(
                uri=f"models:/{name}@production", version=str(1 + number % 9), run_id=f"{number:032x}",
                source=f"s3://models/{name}", flavor="sklearn", format="skops",
                sha256=f"{number:064x}", size_bytes=1000, signature=signature,
            )
        }  # fmt: skip
    write_lock(root / "stacks/prod.lock.yaml", Lock("prod", lock))


def model_objects(project: Path) -> list[dict[str, object]]:
    """The objects of the first model, as rendered."""
    files = sorted((project / "rendered/prod/model-0000").glob("*.yaml"))
    return [yaml.safe_load(file.read_text()) for file in files]


def measure(
    command: list[str], folder: Path, before: Callable[[], None] = lambda: None
) -> Figure | str:
    """Run a command five times, fewer where that takes long; in words where it takes too long."""
    seconds: list[float] = []
    peak = 0.0
    while len(seconds) < 5 and sum(seconds) < ENOUGH_SECONDS:
        before()
        started = time.monotonic()
        with Path(os.devnull).open("wb") as nowhere, tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(command, cwd=folder, stdout=nowhere, stderr=errors)
            stop = threading.Timer(MOST_SECONDS, process.kill)
            stop.start()
            _, status, usage = os.wait4(process.pid, 0)
            stop.cancel()
            errors.seek(0)
            said = errors.read().decode(errors="replace")
        seconds.append(time.monotonic() - started)
        if seconds[-1] >= MOST_SECONDS:
            return f"over {MOST_SECONDS:g} s"
        if status:
            raise RuntimeError(f"{command[0]} failed: {said[-500:]}")
        peak = max(peak, usage.ru_maxrss / 1024)
    return Figure(statistics.median(seconds), peak)


def report(counts: list[int], table: dict[str, dict[int, Figure | str]]) -> None:
    """Seconds, memory, and the ratio to servestack from the same run."""
    head = ["whole process, cold start", *(f"{count} models" for count in counts)]
    rows = []
    ours = table["servestack render"]
    for name, figures in table.items():
        cells = []
        for count in counts:
            figure, mine = figures[count], ours[count]
            if isinstance(figure, str) or isinstance(mine, str):
                cells.append(str(figure))
                continue
            ratio = figure.seconds / mine.seconds
            times = "" if name == "servestack render" else f" ({ratio:.1f}x)"
            cells.append(words(figure).replace(" s,", f" s{times},"))
        rows.append([name, *cells])
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )
    largest = ours[counts[-1]]
    if isinstance(largest, Figure) and len(counts) > 1:
        for low, high in pairwise(counts):
            a, b = ours[low], ours[high]
            if isinstance(a, Figure) and isinstance(b, Figure):
                print(f"growth {low} → {high} models: {b.seconds / a.seconds:.1f}x the time")
        met = largest.seconds <= LIMIT_SECONDS and largest.megabytes <= LIMIT_MEGABYTES
        print(
            f"goal at 1,000 models: {LIMIT_SECONDS:g} s and {LIMIT_MEGABYTES} MB: {'met' if met else 'MISSED'}"
        )
    print(json.dumps({"machine": {"cores": os.cpu_count()}, "python": sys.version.split()[0]}))


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
