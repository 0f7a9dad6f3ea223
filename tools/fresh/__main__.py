"""Run a command in a fresh clone, with this machine as it was before any run:

    python3 -m tools.fresh [--keep-caches] [--or-here] COMMAND …

Needs only root and Python. A clone of HEAD is shown in place of this repository, and the traces of
earlier runs (traces.py) are hidden: folders, packages, caches. Nothing that the command writes stays,
except in the caches with --keep-caches. Exit status: the command's; 3 if it succeeded but created
something that the list does not name; 4 if such a view is not possible, without --or-here.
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
from tools.install import CACHE

REPOSITORY = Path(__file__).resolve().parents[2]
_INSIDE = "SERVESTACK_FRESH_DISK"
_WITH_CACHES = {
    # The clone and uv's cache are different mounts here, so uv cannot link files as it does
    # elsewhere, and would copy gigabytes. The cache stays, and so do links into it.
    "UV_LINK_MODE": "symlink",
    # Python compiles thousands of files for MLflow. It compares the time and size of each source.
    "PYTHONPYCACHEPREFIX": str(CACHE.parent / "pycache"),
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python3 -m tools.fresh", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--keep-caches", action="store_true", help="show the caches as they are")
    parser.add_argument(
        "--or-here", action="store_true", help="run the command here if such a view is not possible"
    )
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
    """Run the command as the first process of namespaces of our own. Returns the exit status."""
    started = time.monotonic()
    made = view.enter(disk, disk / "clone", REPOSITORY, keep_caches)
    view.clear()
    left = view.still_there(keep_caches, REPOSITORY)
    if left:
        say(f"cannot hide: {', '.join(left)}")
        return 4
    before = unlisted.take(made)
    say(f"the machine is as new after {time.monotonic() - started:.0f} s")
    if keep_caches:
        os.environ.update(_WITH_CACHES)
    started = time.monotonic()
    status = run_as_init(command)
    say(
        f"{' '.join(command)}: exit status {status} after {(time.monotonic() - started) / 60:.1f} min"
    )
    found = unlisted.find(made, before)
    for path in found:
        say(f"created, but not listed in tools/fresh/traces.py: {path}")
    return status or (3 if found else 0)


def run_as_init(command: list[str]) -> int:
    """Run the command and return its exit status. As the first process, reap orphans meanwhile."""
    child = subprocess.Popen(command, cwd=REPOSITORY).pid
    while True:
        pid, status = os.wait()
        if pid == child:
            return os.waitstatus_to_exitcode(status)


def _clone(folder: Path) -> str | None:
    """Clone HEAD. Returns why that is not possible; None if it worked."""
    # The checkout may belong to another user, as in CI. The program that serves a clone accepts
    # that setting only from a file.
    settings = folder.with_name("gitconfig")
    settings.write_text("[safe]\n\tdirectory = *\n")
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": str(settings)}
    made = subprocess.run(
        ["git", "clone", "-q", str(REPOSITORY), str(folder)],
        env=environment, capture_output=True, text=True,
    )  # fmt: skip
    if made.returncode != 0:
        return f"cannot clone this repository: {made.stderr.strip()}"
    changed = subprocess.run(
        ["git", "status", "--porcelain"], cwd=REPOSITORY,
        env=environment, check=True, capture_output=True, text=True,
    ).stdout.splitlines()  # fmt: skip
    if changed:
        say(
            f"{len(changed)} changed files are not committed, so the fresh clone does not have them"
        )
    return None


def _running_cluster() -> str | None:
    """Why running clusters are in the way; None without any.

    The view shares the machine's network, and its podman does not know clusters outside.
    """
    names = [state.name for state in existing()]
    return f"delete the clusters first: {', '.join(names)}" if names else None


def say(text: str) -> None:
    print(f"fresh: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
