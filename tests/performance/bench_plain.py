"""What the code would cost if it were plainer, in the places where it is not: `make bench-plain`.

Each row does the same work twice, once as the code does it and once in the plainest way, and checks
that both give the same. docs/adr/0016 says what follows from the figures.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import yaml

from servestack.manifests import rules
from servestack.project import Built, build_environment
from servestack.resolve.lock import read_lock
from servestack.yaml_writer import dump
from tests.performance.bench_render import make_project

MODELS = 1000
REPEATS = 5

IMPORT = """
import os, pathlib, sys, time
name, without = sys.argv[1], tuple(sys.argv[2:])
import numpy
from servestack_server.models.lean_import import import_lean

def resident():
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

before, started = resident(), time.perf_counter()
import_lean(name, without=without) if without else __import__(name)
print(time.perf_counter() - started, resident() - before)
"""
LEAN = (("sklearn", "pandas"), ("xgboost", "pandas", "sklearn"), ("lightgbm", "pandas", "sklearn"))
"""Package, and what its flavor imports it without."""


@dataclass(frozen=True)
class Row:
    """Both ways of one piece of work, in `unit`."""

    work: str
    unit: str
    ours: float
    plain: float


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="servestack-bench-") as folder:
        root = Path(folder)
        make_project(root, MODELS)
        built = build_environment(root, "prod")
        rows = [_lock(root), _rules(built), _yaml(built), *_imports()]
    print(f"{'':44}{'ours':>12}{'plain':>12}{'plain/ours':>12}")
    for row in rows:
        figures = f"{row.ours:8.2f} {row.unit:3}{row.plain:8.2f} {row.unit:3}"
        print(f"{row.work:44}{figures}{row.plain / row.ours:11.1f}x")
    return 0


def _lock(root: Path) -> Row:
    file = root / "stacks/prod.lock.yaml"

    def plain() -> Any:
        return yaml.load(file.read_text(), yaml.CSafeLoader)["models"]

    lock = read_lock(file, "prod")
    assert lock.models.keys() == plain().keys()
    return Row(
        f"read a lock of {MODELS} models; a YAML parser", "ms",
        _milliseconds(lambda: read_lock(file, "prod")), _milliseconds(plain),
    )  # fmt: skip


def _rules(built: Built) -> Row:
    services = built.services[:50]

    def ours() -> Any:
        return [rules.rule_groups(service) for service in services]

    def plain() -> Any:
        with mock.patch.object(
            rules, "form", lambda template, structure, make: make(template, structure)
        ):
            return ours()

    assert ours() == plain()
    return Row(
        "Prometheus rules of a model; a template each", "ms",
        _milliseconds(ours) / len(services), _milliseconds(plain) / len(services),
    )  # fmt: skip


def _yaml(built: Built) -> Row:
    bodies = [manifest.body for manifest in built.manifests[:500]]

    def plain() -> Any:
        return [yaml.dump(body, Dumper=yaml.CSafeDumper, sort_keys=False) for body in bodies]

    def ours() -> Any:
        return [dump(body) for body in bodies]

    for one, other in zip(ours(), plain(), strict=True):
        assert yaml.load(one, yaml.CSafeLoader) == yaml.load(other, yaml.CSafeLoader)
    return Row(
        "write a manifest as YAML; PyYAML's C emitter", "ms",
        _milliseconds(ours) / len(bodies), _milliseconds(plain) / len(bodies),
    )  # fmt: skip


def _imports() -> list[Row]:
    rows = []
    for name, *without in LEAN:
        lean = [_import(name, without) for _ in range(REPEATS)]
        full = [_import(name, []) for _ in range(REPEATS)]
        for at, unit in enumerate(("s", "MB")):
            ours, plain = (min(figures[at] for figures in way) for way in (lean, full))
            rows.append(
                Row(f"import {name} without {', '.join(without)}; whole", unit, ours, plain)
            )
    return rows


def _import(name: str, without: list[str]) -> tuple[float, float]:
    """Seconds, and MB that the process grows by."""
    command = [sys.executable, "-c", IMPORT, name, *without]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, megabytes = map(float, done.stdout.split())
    return seconds, megabytes


def _milliseconds(work: Callable[[], Any]) -> float:
    best = float("inf")
    for _ in range(REPEATS):
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    return best * 1000


if __name__ == "__main__":
    raise SystemExit(main())
