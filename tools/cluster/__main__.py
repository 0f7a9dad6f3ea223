"""`python -m tools.cluster up|down|status|prepare [--name NAME]`: a real cluster, made with kind.

`prepare` builds what the first `up` would build. `up` prints the path of the kubeconfig on stdout;
everything else goes to stderr.
"""

from __future__ import annotations

import argparse
import sys

from tools.cluster import kind
from tools.cluster.state import ClusterError, existing


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.cluster", description=__doc__)
    parser.add_argument("command", choices=("up", "down", "status", "prepare"))
    parser.add_argument("--name", default="dev")
    parser.add_argument(
        "--workers", type=int, default=0, help="for up: number of nodes besides the first"
    )
    arguments = parser.parse_args()
    try:
        if arguments.command == "down":
            kind.stop(arguments.name)
            return 0
        if arguments.command == "status":
            return _print_status()
        if arguments.command == "prepare":
            kind.prepare()
            return 0
        cluster = kind.start(arguments.name, arguments.workers)
    except ClusterError as error:
        print(f"cluster: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(f"cluster: ingress answers at {cluster.url}", file=sys.stderr)
    print(cluster.kubeconfig)
    return 0


def _print_status() -> int:
    for state in existing():
        cluster = kind.find(state.name)
        where = f"{cluster.url} {cluster.kubeconfig}" if cluster else "does not answer: run down"
        print(f"{state.name} {where}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
