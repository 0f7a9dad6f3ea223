"""Run a command in a fresh clone, on this machine as it was before any run:

    python3 -m tools.fresh [--keep-caches] [--or-here] COMMAND …

Needs root and Python alone. A clone of HEAD is shown where this repository is, and the traces of
earlier runs (traces.py) are hidden: folders, packages, caches. Nothing that the command writes stays,
but in the caches where they are kept. Exit status: the command's; 3 where it did well and has made
what the list does not name; 4 where there can be no such view, without --or-here.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tools.cluster.state import existing
from tools.fresh import unlisted, view

REPOSITORY = Path(__file__).resolve().parents[2]
_INSIDE = "SERVESTACK_FRESH_DISK"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python3 -m tools.fresh", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--keep-caches", action="store_true", help="show the caches as they are")
    parser.add_argument("--or-here", action="store_true", help="where that cannot be, as it is")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    given = parser.parse_args(arguments)
    if not given.command:
        parser.error("a command is needed, such as: make test")
    if _INSIDE in os.environ:
        return inside(Path(os.environ.pop(_INSIDE)), given.command, given.keep_caches)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="servestack-fresh-", dir="/var/tmp") as disk:
        reason = view.obstacle() or _running_cluster() or _clone(Path(disk) / "clone")
        if reason is None:
            return subprocess.run(
                [*view.NAMESPACES, sys.executable, "-m", "tools.fresh", *arguments],
                cwd=REPOSITORY, env={**os.environ, _INSIDE: disk},
            ).returncode  # fmt: skip
    say(reason)
    return subprocess.run(given.command, cwd=REPOSITORY).returncode if given.or_here else 4


def inside(disk: Path, command: list[str], keep_caches: bool) -> int:
    """As the first process of namespaces of our own."""
    started = time.monotonic()
    made = view.enter(disk, disk / "clone", REPOSITORY, keep_caches)
    view.clear()
    left = view.still_there(keep_caches, REPOSITORY)
    if left:
        say(f"still there: {', '.join(left)}")
        return 4
    before = unlisted.take(made)
    say(f"the machine is as new after {time.monotonic() - started:.0f} s")
    started = time.monotonic()
    status = run_as_init(command)
    say(
        f"{' '.join(command)}: exit status {status} after {(time.monotonic() - started) / 60:.1f} min"
    )
    found = unlisted.find(made, before)
    for path in found:
        say(f"made, and not in tools/fresh/traces.py: {path}")
    return status or (3 if found else 0)


def run_as_init(command: list[str]) -> int:
    """The command's exit status; processes whose parents have ended are the first one's to reap."""
    child = subprocess.Popen(command, cwd=REPOSITORY).pid
    while True:
        pid, status = os.wait()
        if pid == child:
            return os.waitstatus_to_exitcode(status)


def _clone(folder: Path) -> str | None:
    """Why HEAD cannot be cloned; None where it is."""
    # The checkout may be another user's, as in CI. The program that serves a clone hears of that
    # from a file alone.
    settings = folder.with_name("gitconfig")
    settings.write_text("[safe]\n\tdirectory = *\n")
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": str(settings)}
    made = subprocess.run(
        ["git", "clone", "-q", str(REPOSITORY), str(folder)],
        env=environment, capture_output=True, text=True,
    )  # fmt: skip
    if made.returncode != 0:
        return f"no clone of this repository: {made.stderr.strip()}"
    changed = subprocess.run(
        ["git", "status", "--porcelain"], cwd=REPOSITORY,
        env=environment, check=True, capture_output=True, text=True,
    ).stdout.splitlines()  # fmt: skip
    if changed:
        say(f"{len(changed)} changed files are not committed, and not in the fresh clone")
    return None


def _running_cluster() -> str | None:
    """The network is the machine's own, and podman in the view knows nothing of clusters outside."""
    names = [state.name for state in existing()]
    return f"take the clusters away first: {', '.join(names)}" if names else None


def say(text: str) -> None:
    print(f"fresh: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
