"""The model server beside its peers: throughput, latency, memory, start, as ratios from one run.

    make bench-serving                                all peers, 5 s a measurement: 13 minutes
    make bench-serving PEERS=fastapi,mlserver         some; PEERS=none for ours and the floors
    make bench-serving SECONDS=2 JSON=figures.json    quicker; raw figures kept

A server has core 0, the load comes from core 1; everything stays on 127.0.0.1. Absolute figures
move from machine to machine, and with what else runs on it: ratios count.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from tools.install import install

from tests.performance.serving import ours
from tests.performance.serving.bars import judge
from tests.performance.serving.contender import SCENARIOS, SIXTEEN, Contender
from tests.performance.serving.log_cost import LogCost
from tests.performance.serving.measurement import Result, least_disturbed, measure, started
from tests.performance.serving.peer_servers import FLOORS, PEERS
from tests.performance.serving.process import CLIENT_CORE, SERVER_CORE
from tests.performance.serving.tables import log_table, scenario_table
from tests.performance.serving.train import TrainedModel, train_models
from tests.performance.serving.venvs import HERE, PeerFailedError, image_venv

LOG_ROUNDS = 5


def main() -> int:
    arguments = _parse()
    if not {SERVER_CORE, CLIENT_CORE} <= os.sched_getaffinity(0):
        say("two cores are needed: one for the server, one for the load")
        return 1
    # As an exception, so that the server of the moment is ended too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    load = os.getloadavg()[0]
    install("wrk")
    with tempfile.TemporaryDirectory(prefix="servestack-bench-") as name:
        folder = Path(name)
        say("training the models …")
        models = train_models(folder)
        mine = _ours(models, folder)
        field = [
            contender for name, contender in mine.items() if name in (ours.NATIVE, ours.COMPILED)
        ]
        field += [*(PEERS[peer] for peer in arguments.peers), *FLOORS]
        os.sched_setaffinity(0, {CLIENT_CORE})
        results = _measure_all(field, models, folder, arguments.seconds)
        costs = _log_costs(mine, models[SIXTEEN.model], folder, arguments.seconds)
        bare = _bare_calls(models[SIXTEEN.model], folder) if mine else {}
    for scenario in SCENARIOS:
        print("\n".join(scenario_table(scenario, results)), end="\n\n")
    if costs:
        print("\n".join(log_table(costs)), end="\n\n")
    for bar in judge(results, bare, costs):
        print(bar)
    print(f"load average at the start: {load:.2f}")
    if arguments.json:
        arguments.json.write_text(_raw(results, bare, costs, load))
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench_serving")
    parser.add_argument("--seconds", type=int, default=5, help="of one measurement")
    parser.add_argument("--peers", type=_peers, default=list(PEERS), help=f"of {', '.join(PEERS)}")
    parser.add_argument("--json", type=Path, help="file for the raw figures")
    return parser.parse_args()


def _peers(text: str) -> list[str]:
    names = [name for name in text.split(",") if name and name != "none"]
    unknown = [name for name in names if name not in PEERS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no {unknown[0]!r} among {', '.join(PEERS)}")
    return names


def _ours(models: dict[str, TrainedModel], folder: Path) -> dict[str, Contender]:
    try:
        return ours.our_contenders(models, folder)
    except PeerFailedError as error:
        say(f"servestack: {error}")
        return {}


def _measure_all(
    field: Sequence[Contender], models: Mapping[str, TrainedModel], folder: Path, seconds: int
) -> list[Result]:
    results = []
    for model in models.values():
        scenarios = [scenario for scenario in SCENARIOS if scenario.model == model.name]
        for number, contender in enumerate(field):
            result = measure(contender, model, scenarios, folder / f"run-{number}", seconds)
            results.append(result)
            rates = [f"{figures.requests_per_second:,.0f}" for figures in result.figures.values()]
            say(f"{model.name}, {contender.name}: {result.problem or ' '.join(rates) + ' req/s'}")
    return results


def _log_costs(
    mine: Mapping[str, Contender], model: TrainedModel, folder: Path, seconds: int
) -> dict[str, LogCost]:
    """By contender. All three are up at once and asked in turn, so other work hits all of them."""
    costs = {}
    for name in (ours.NATIVE, ours.COMPILED) if mine else ():
        place = folder / name.replace(" ", "-")
        suffixes = ("", ours.BUFFERED, ours.WITHOUT_LOG)
        rates: dict[str, list[float]] = {suffix: [] for suffix in suffixes}
        others = 0.0
        try:
            with ExitStack() as stack:
                runs = {
                    suffix: stack.enter_context(
                        started(mine[name + suffix], model, place / f"log{at}")
                    )
                    for at, suffix in enumerate(suffixes)
                }
                for number in range(LOG_ROUNDS):
                    for suffix in suffixes if number % 2 else reversed(suffixes):
                        figures, share = least_disturbed(runs[suffix], SIXTEEN, seconds)
                        rates[suffix].append(figures.requests_per_second)
                        others = max(others, share)
            for suffix in (ours.BUFFERED, ""):
                written = ours.events_written(runs[suffix].order.folder)
                costs[name + suffix] = LogCost(
                    rates[suffix], rates[ours.WITHOUT_LOG], runs[suffix].answers, written, others
                )
        except PeerFailedError as error:
            say(f"{name}, cost of the log: {error}")
    return costs


def _bare_calls(model: TrainedModel, folder: Path) -> dict[str, float]:
    """Median seconds of one call by runtime, in the server's environment, on its core."""
    row = folder / "row.json"
    row.write_text(json.dumps(model.rows[0]))
    python = str(image_venv() / "bin/python")
    program = str(HERE / "bare_call.py")
    seconds = {}
    for name, file in ((ours.NATIVE, model.joblib), (ours.COMPILED, ours.plan_folder(model))):
        command = ["taskset", "-c", str(SERVER_CORE), python, program, str(file), str(row)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        if done.returncode:
            say(f"{name}, bare call: {done.stderr.strip().splitlines()[-1]}")
            continue
        seconds[name] = float(done.stdout)
    return seconds


def _raw(
    results: Sequence[Result],
    bare: Mapping[str, float],
    costs: Mapping[str, LogCost],
    load: float,
) -> str:
    servers = []
    for result in results:
        figures = {scenario.title: asdict(made) for scenario, made in result.figures.items()}
        others = {scenario.title: share for scenario, share in result.others_share.items()}
        servers.append({**vars(result), "figures": figures, "others_share": others})
    return json.dumps(
        {
            "load_average": load,
            "servers": servers,
            "bare_call_seconds": dict(bare),
            "log_cost": {name: asdict(cost) for name, cost in costs.items()},
        },
        indent=1,
    )


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
