"""Draws the pictures of docs/operations/dashboards.md: `make pictures`.

    python -m tests.dashboards.pictures [--minutes 9] [--keep FOLDER]

Real servers run for some minutes, with a burst of errors, a canary that becomes the only version,
inputs that drift, and events that nothing ships. Then each section of both dashboards is drawn from
what Prometheus has recorded. `--keep` writes the pages to a folder as well, as HTML.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import threading
import time
from pathlib import Path

from tools.dashboards.grafana import Prometheus, View
from tools.dashboards.page import WIDTH, page

from tests.dashboards.load import Callers
from tests.dashboards.system import Pod, System, running_system
from tests.support.browser import browsing
from tests.support.ports import free_ports
from tests.support.projects import REPOSITORY

TARGET = REPOSITORY / "docs/operations/dashboards"
SCRAPE_SECONDS = 2.0
SCALE = 1.5
RATES = {"iris": 24.0, "churn": 14.0, "fraud": 9.0, "forecast": 4.0}


def main() -> int:
    given = _parser().parse_args()
    ports = free_ports(7)
    pods = [
        Pod("iris-6d9f-a", "iris", "3", ports[0]),
        Pod("iris-6d9f-b", "iris", "3", ports[1]),
        Pod("iris-7c41-a", "iris", "4", ports[2], "canary"),
        Pod("iris-7c41-b", "iris", "4", ports[3]),
        *(Pod(f"{name}-a", name, "1", ports[4 + n]) for n, name in enumerate([*RATES][1:])),
    ]
    with tempfile.TemporaryDirectory() as folder:
        with running_system(
            Path(folder), [*RATES], pods, scrape_seconds=SCRAPE_SECONDS, disk_budget="2Mi"
        ) as system:
            start, end = _play(system, given.minutes * 60)
            boards = {"model": system.board("iris"), "fleet": system.fleet()}
            views = {
                name: View(json.loads(text), Prometheus(system.prometheus.address), start, end)
                for name, text in boards.items()
            }
            pages = {name: page(view) for name, view in views.items()}
        for name, text in pages.items():
            if given.keep:
                given.keep.mkdir(parents=True, exist_ok=True)
                (given.keep / f"{name}.html").write_text(text)
            _photograph(name, text)
    return 0


def _play(system: System, seconds: float) -> tuple[float, float]:
    """Let the system run, with what happens at which share of the time; the range to look at."""
    system.start(*system.pods)
    system.admit(*(name for name, pod in system.pods.items() if pod.version != "4"))
    callers = {name: Callers(system, name, rate) for name, rate in RATES.items()}
    for name, one in callers.items():
        one.outside = 0.0 if name != "fraud" else 0.02
        one.start()
    begin = time.time()
    start = begin + 0.04 * seconds  # When all of them have been scraped a few times.
    events = [
        (0.18, lambda: _burst(callers["iris"], 0.10 * seconds)),
        (0.40, lambda: system.admit("iris-7c41-a")),
        (0.52, lambda: setattr(callers["iris"], "outside", 0.09)),
        (0.60, lambda: system.admit("iris-7c41-b")),
        (0.62, lambda: _promote(system, "iris-7c41-a")),
        (0.64, lambda: system.stop("iris-6d9f-a")),
        (0.68, lambda: system.stop("iris-6d9f-b")),
        (0.80, lambda: _burst(callers["churn"], 0.03 * seconds)),
    ]
    while (share := (time.time() - begin) / seconds) < 1:
        for name, one in callers.items():
            # More in the middle, as a day has it.
            one.rate = RATES[name] * (0.7 + 0.5 * math.sin(math.pi * share) ** 2)
        while events and share >= events[0][0]:
            action = events.pop(0)[1]
            threading.Thread(target=action, daemon=True).start()
        time.sleep(1)
    end = time.time()
    for one in callers.values():
        one.stop()
    return start, end


def _burst(callers: Callers, seconds: float) -> None:
    until = time.time() + seconds
    while time.time() < until:
        callers.burst(14)
        time.sleep(1.5)


def _promote(system: System, pod: str) -> None:
    """What a rollout's controller does with the label of a canary's pod."""
    (system.folder / "pods" / pod / "variant").write_text("stable")


def _photograph(name: str, text: str) -> None:
    TARGET.mkdir(exist_ok=True)
    for old in TARGET.glob(f"{name}-*.png"):
        old.unlink()
    with browsing() as browser:
        tab = browser.new_page(viewport={"width": WIDTH, "height": 900}, device_scale_factor=SCALE)
        tab.set_content(text)
        for number, section in enumerate(tab.query_selector_all("section")):
            title = section.query_selector("h2")
            words = (title.text_content() or "").split("▲")[0] if title else str(number)
            slug = "-".join("".join(c if c.isalnum() else " " for c in words.lower()).split())
            file = TARGET / f"{name}-{slug}.png"
            section.screenshot(path=file)
            print(
                f"{file.relative_to(REPOSITORY)}: {file.stat().st_size // 1024} KiB",
                file=sys.stderr,
            )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=9)
    parser.add_argument("--keep", type=Path)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
