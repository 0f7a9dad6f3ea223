"""Which figure an autoscaler should look at: scale events at a steady load, seconds after a step.

    python -m tests.performance.bench_scaling_signal --hours=50

Requests arrive as a Poisson process, each in flight for a time of its own; the autoscaler's rules are
those of Kubernetes' HPA (tolerance, rounding up, stabilisation, policies) with the behaviour that
servestack renders, every 15 s. Prometheus scrapes at a phase of its own. It is a calculation and
takes a minute: a cluster shows one path of ten minutes, and this the spread over days.
docs/adr/0021 draws the conclusion.
"""

from __future__ import annotations

import argparse
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SYNC_SECONDS = 15.0
TOLERANCE = 0.1
STABILIZATION_SECONDS = 300
SERVICE_SECONDS = 0.2
TARGET = 4
"""Requests in flight that a pod should have."""
MIN_PODS, MAX_PODS = 2, 100


class Load:
    """Requests: when each came, and how long it was in flight."""

    def __init__(self, arrivals: Floats, seconds: Floats) -> None:
        order = np.argsort(arrivals + seconds)
        self._arrivals = arrivals
        self._ends = (arrivals + seconds)[order]
        self._arrived = np.concatenate([[0.0], np.cumsum(arrivals)])
        self._arrived_of_ended = np.concatenate([[0.0], np.cumsum(arrivals[order])])
        self._seconds_of_ended = np.concatenate([[0.0], np.cumsum(seconds[order])])

    def in_flight(self, times: Floats) -> Floats:
        """What servestack_requests_in_flight says when it is scraped."""
        came, ended = self._counts(times)
        return (came - ended).astype(float)

    def finished_seconds(self, times: Floats) -> Floats:
        """servestack_request_duration_seconds_sum."""
        _, ended = self._counts(times)
        return np.asarray(self._seconds_of_ended[ended])

    def in_flight_seconds(self, times: Floats) -> Floats:
        """servestack_requests_in_flight_seconds_total."""
        came, ended = self._counts(times)
        began = self._arrived[came] - self._arrived_of_ended[ended]
        seconds: Floats = self.finished_seconds(times) + (came - ended) * times - began
        return seconds

    def _counts(self, times: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        return (
            np.searchsorted(self._arrivals, times, side="right"),
            np.searchsorted(self._ends, times, side="right"),
        )


Figure = Callable[[Load, float, Floats], float]
"""The figure for all pods together, from the times of the scrapes in its window."""


def last_gauge(load: Load, pods: float, scrapes: Floats) -> float:
    """The gauge: each pod's scrape finds itself in flight as well."""
    return float(load.in_flight(scrapes[-1:])[0]) + pods


def mean_gauge(load: Load, pods: float, scrapes: Floats) -> float:
    return float(load.in_flight(scrapes).mean()) + pods


def rate_of(counter: Callable[[Load, Floats], Floats]) -> Figure:
    def figure(load: Load, pods: float, scrapes: Floats) -> float:
        first, last = counter(load, scrapes[[0, -1]])
        return float((last - first) / (scrapes[-1] - scrapes[0]))

    return figure


@dataclass(frozen=True)
class Signal:
    """A PromQL expression: its figure, its window, and the seconds between two scrapes."""

    text: str
    figure: Figure
    window: float
    interval: float


def signals() -> list[Signal]:
    rows = [Signal("in_flight, last sample", last_gauge, 5, 5)]
    rows += [Signal("avg_over_time(in_flight[30s])", mean_gauge, 30, 5)]
    finished = rate_of(Load.finished_seconds)
    rows += [Signal("rate(request_duration_seconds_sum[30s])", finished, 30, 5)]
    counted = rate_of(Load.in_flight_seconds)
    for window, interval in ((15, 5), (30, 5), (60, 5), (30, 10), (60, 15)):
        text = f"rate(in_flight_seconds_total[{window}s])"
        rows.append(Signal(text, counted, window, interval))
    return rows


class Autoscaler:
    """The HPA's rules for one metric, on a count of pods."""

    def __init__(self, pods: int) -> None:
        self.pods = pods
        self.events = 0
        self.counts: list[int] = []
        self._wanted: deque[tuple[float, int]] = deque()
        self._changes: deque[tuple[float, int]] = deque()

    def sync(self, now: float, total: float) -> None:
        ratio = total / (self.pods * TARGET)
        near = abs(ratio - 1) <= TOLERANCE
        wanted = self.pods if near else math.ceil(total / TARGET)
        self._wanted.append((now, min(MAX_PODS, max(MIN_PODS, wanted))))
        while self._wanted[0][0] < now - STABILIZATION_SECONDS:
            self._wanted.popleft()
        wanted = self._wanted[-1][1]
        if wanted < self.pods:
            wanted = min(self.pods, max(each for _, each in self._wanted))
            began = self.pods - self._changed(now, 60, down=True)
            wanted = max(wanted, math.ceil(began * 0.75))
        elif wanted > self.pods:
            began = self.pods - self._changed(now, 15, down=False)
            wanted = min(wanted, max(2 * began, began + 4))
        if wanted != self.pods:
            self._changes.append((now, wanted - self.pods))
            self.events += 1
            self.pods = wanted
        self.counts.append(self.pods)

    def _changed(self, now: float, seconds: float, *, down: bool) -> int:
        return sum(
            by for at, by in self._changes if at > now - seconds and (by < 0 if down else by > 0)
        )


def requests(
    random: np.random.Generator, mean_in_flight: float, start: float, end: float, service: float
) -> tuple[Floats, Floats]:
    rate = mean_in_flight / service
    count = random.poisson(rate * (end - start))
    arrivals = np.sort(random.uniform(start, end, count))
    return arrivals, random.exponential(service, count)


def run(signal: Signal, load: Load, pods: int, times: Floats, phase: float) -> Autoscaler:
    scaler = Autoscaler(pods)
    for now in times:
        last = phase + math.floor((now - phase) / signal.interval) * signal.interval
        count = int(signal.window / signal.interval) + 1
        scrapes = last - signal.interval * np.arange(count)[::-1]
        scrapes = scrapes[scrapes > now - signal.window]
        scaler.sync(float(now), signal.figure(load, scaler.pods, scrapes))
    return scaler


def steady(signal: Signal, hours: float, service: float) -> tuple[float, float]:
    """Scale events in ten minutes, and pods as a multiple of mean load / target, after ten minutes
    to settle, over many loads of 4 to 40."""
    random = np.random.default_rng(21)
    events, runs, share = 0, max(1, round(hours * 2)), 0.0
    for _ in range(runs):
        mean = random.uniform(4, 40)
        end = 2400.0
        load = Load(*requests(random, mean, 0, end, service))
        pods = max(MIN_PODS, math.ceil(mean / TARGET))
        times, phase = np.arange(60.0, end, SYNC_SECONDS), random.uniform(0, signal.interval)
        settled = run(signal, load, pods, times[times < 660], phase)
        events -= settled.events
        whole = run(signal, load, pods, times, phase)
        events += whole.events
        share += float(np.mean(whole.counts[len(settled.counts) :])) * TARGET / mean / runs
    return events / runs / ((end - 660) / 600), share


def step(signal: Signal, runs: int, service: float) -> tuple[float, float]:
    """Seconds from a step from 1x to 5x until pods are added: the median and the 99th percentile."""
    random = np.random.default_rng(5)
    found = []
    for _ in range(runs):
        one = random.uniform(0.6, 0.95) * MIN_PODS * TARGET
        at = 120 + random.uniform(0, SYNC_SECONDS)
        before, after = (
            requests(random, one, 0, at, service),
            requests(random, 5 * one, at, at + 180, service),
        )
        load = Load(*(np.concatenate(pair) for pair in zip(before, after, strict=True)))
        phase = random.uniform(0, signal.interval)
        settled = MIN_PODS
        for now in np.arange(120 + SYNC_SECONDS, at + 180, SYNC_SECONDS):
            if run(signal, load, settled, np.array([now]), phase).pods > settled:
                found.append(now - at)
                break
    return float(np.median(found)), float(np.quantile(found, 0.99))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=50, help="simulated, for each signal")
    hours = parser.parse_args().hours
    print(
        "| figure, per pod | scrape | events in 10 min | and of 5 s requests | pods / needed | step, median | 99% | of 5 s requests, median |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for signal in signals():
        (flapping, share), (slow, _) = (steady(signal, hours, s) for s in (SERVICE_SECONDS, 5.0))
        middle, late = step(signal, 300, SERVICE_SECONDS)
        long, _ = step(signal, 300, 5.0)
        print(
            f"| `{signal.text}` | {signal.interval:g} s | {flapping:.2f} | {slow:.2f} | {share:.2f} "
            f"| {middle:.0f} s | {late:.0f} s | {long:.0f} s |",
            flush=True,
        )


if __name__ == "__main__":
    main()
