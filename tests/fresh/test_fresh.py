"""`python3 -m tools.fresh`: what a command finds, what it may leave, when it is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tools.fresh import view
from tools.fresh.traces import TRACES, packages

from tests.support.projects import REPOSITORY

LOOK = """
import json, os, pathlib, subprocess, sys
paths, packages, cache = json.loads(sys.argv[1])
listed = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Abbrev}\\n"],
                        capture_output=True, text=True).stdout.split("\\n")
def files_below(path):  # a clone in /tmp is shown there
    clone = pathlib.Path.cwd()
    return any(files for folder, _, files in os.walk(path) if not pathlib.Path(folder).is_relative_to(clone))
print(json.dumps({
    "paths": [path for path in paths if files_below(path)],
    "packages": [name for name in packages if f"{name} ii " in listed],
    "clone": sorted(os.listdir()),
}))
pathlib.Path(cache, "tools").mkdir()  # listed: a cache
pathlib.Path("/etc/servestack-unlisted").touch()
subprocess.Popen(["sleep", "300"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                 stderr=subprocess.DEVNULL, start_new_session=True)
"""


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache of this test's own: clusters of other tests, which the view refuses, are not in it."""
    return tmp_path / "cache"


def fresh(cache: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools.fresh", *arguments], cwd=REPOSITORY,
        env={**os.environ, "SERVESTACK_CACHE": str(cache)}, capture_output=True, text=True,
    )  # fmt: skip


def test_nothing_of_a_run_is_there_and_what_is_made_is_told(cache: Path) -> None:
    reason = view.obstacle()
    if reason is not None:
        pytest.skip(reason)
    traces = [str(trace.path) for trace in TRACES if trace.path.name != "servestack"]
    asked = json.dumps([traces, list(packages()), str(cache)])
    done = fresh(cache, "python3", "-c", LOOK, asked)
    assert done.returncode == 3, done.stderr
    found = json.loads(done.stdout)
    assert found["paths"] == []
    assert found["packages"] == []
    tracked = subprocess.run(
        ["git", "ls-tree", "--name-only", "HEAD"], cwd=REPOSITORY, check=True,
        capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    assert found["clone"] == sorted([*tracked, ".git"])
    told = [
        line for line in done.stderr.splitlines() if "not listed in tools/fresh/traces.py" in line
    ]
    assert [line.rpartition(": ")[2].split(" (")[0].rstrip("0123456789 ") for line in told] == [
        "/etc/servestack-unlisted", "the process",
    ]  # fmt: skip
    assert "(sleep)" in told[1]
    assert not Path("/etc/servestack-unlisted").exists()
    assert not (cache / "tools").exists()


def test_a_running_cluster_is_in_the_way(cache: Path) -> None:
    record = cache / "clusters/mine/record.json"
    record.parent.mkdir(parents=True)
    record.write_text("{}")
    done = fresh(cache, "true")
    assert done.returncode == 4
    assert "delete the clusters first: mine" in done.stderr or view.obstacle() is not None
    assert fresh(cache, "--or-here", "python3", "-c", "raise SystemExit(7)").returncode == 7
