"""docs/tutorial.md, line by line.

Run here: the lines of Python and servestack, against the MLflow server that the page starts (its
command, as a process), in a project of the wheel. Not run, for they need a Docker daemon, kind and
registries: `docker build`, `kind`, `kubectl` and `curl`. Of them is shown instead: a build finds
each file that it copies in the context that .dockerignore leaves, and all arguments have values;
the images that are built are those that are loaded and deployed; kubectl names objects that are
rendered; each request goes where the service listens. tests/images builds both Containerfiles on
bases of its own, tests/cluster goes the same way on a real cluster, with the request.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.quickstart.commands import commands_of
from tests.quickstart.conftest import UV, Newcomer
from tests.support.mlflow_server import end
from tests.support.ports import free_ports
from tests.support.projects import REPOSITORY

COMMANDS = commands_of(REPOSITORY / "docs/tutorial.md")
ELSEWHERE = ("docker ", "kind ", "kubectl ", "curl ", "cd ", "python3 -m venv ", "../tool/")
"""Not run here; the last three are what the fixtures have done to come here."""
ADDRESS = "127.0.0.1:5000"
POD_ADDRESS = "mlflow.mlflow.svc:5000"


def lines(start: str) -> list[str]:
    found = [command for command in COMMANDS if command.startswith(start)]
    assert found, start
    return found


@pytest.fixture(scope="module")
def mlflow_address(newcomer: Newcomer) -> Iterator[str]:
    """The server as the page has it in a pod, on a free port and in a folder of its own."""
    newcomer.must(f"{UV} -q pip install --python .venv/bin/python -r requirements.txt")
    (command,) = (line for line in lines("kubectl ") if " mlflow server " in line)
    (port,) = free_ports(1)
    text = command.partition("-- mlflow ")[2].replace("0.0.0.0", "127.0.0.1")
    folder = newcomer.root.parent / "mlflow"
    folder.mkdir()
    text = text.replace("5000", str(port)).replace("/tmp/", f"{folder}/")
    program = [sys.executable, "-m", "mlflow", *shlex.split(text)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *program, "--workers=1"],
            stdout=log, stderr=log, env=newcomer.environment, start_new_session=True,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 300
        while status(f"127.0.0.1:{port}", "/health") != 200:
            assert process.poll() is None, (folder / "log").read_text()[-3000:]
            assert time.monotonic() < deadline, (folder / "log").read_text()[-3000:]
            time.sleep(0.3)
        yield f"127.0.0.1:{port}"
    finally:
        end(process)


def status(address: str, path: str, host: str = "") -> int:
    """0 where nobody answers."""
    headers = {"Host": host} if host else {}
    try:
        request = urllib.request.Request(f"http://{address}{path}", headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def test_every_line_of_python_and_servestack(newcomer: Newcomer, mlflow_address: str) -> None:
    ran = []
    for command in COMMANDS:
        if command.startswith((*ELSEWHERE, ".venv/bin/pip install -r")):
            continue
        newcomer.must(command.replace(ADDRESS, mlflow_address))
        ran.append(command.partition(" dev")[0].rpartition("/")[2])
    assert ran[-4:] == [
        "python train.py",
        "servestack lock",
        "servestack check",
        "servestack render",
    ]
    _everything_fits(newcomer.root)


def _everything_fits(root: Path) -> None:
    """What kubectl, kind and curl name is what was rendered."""
    files = (root / "rendered/dev").rglob("*.yaml")
    objects = [o for file in files for o in yaml.safe_load_all(file.read_text())]
    by_kind: dict[str, dict[str, Any]] = {}
    for each in objects:
        by_kind.setdefault(each["kind"].lower(), {})[each["metadata"]["name"]] = each
    pod = by_kind["deployment"]["iris"]["spec"]["template"]["spec"]
    used = {c["image"] for c in [*pod["initContainers"], *pod["containers"]]}
    assert {f"kind load docker-image {image}" for image in used} == set(lines("kind load"))
    assert {line.split()[-2] for line in lines("docker build")} >= used
    for line in (line for line in lines("kubectl ") if " -n models-dev " in line):
        kind, name = next(re.finditer(r"(deployment|service)/(\S+)", line)).groups()
        assert by_kind[kind][name]["metadata"]["namespace"] == "models-dev"
    (forward,) = (line for line in lines("kubectl ") if "service/iris" in line)
    (port,) = by_kind["service"]["iris"]["spec"]["ports"]
    assert forward.endswith(f" 8080:{port['port']} &")
    paths = {line.split("8080")[1] for line in lines("curl ")}
    assert paths == {"/v1/iris/predict"}
    egress = by_kind["networkpolicy"]["iris"]["spec"]["egress"]
    assert any({"protocol": "TCP", "port": 5000} in rule["ports"] for rule in egress)


def test_pods_may_ask_mlflow_by_its_name(mlflow_address: str) -> None:
    port = mlflow_address.partition(":")[2]
    path = "/api/2.0/mlflow/experiments/search?max_results=1"
    assert status(mlflow_address, path, POD_ADDRESS.replace("5000", port)) == 200
    assert status(mlflow_address, path, "elsewhere.example.com") == 403


@pytest.mark.parametrize("command", lines("docker build"))
def test_a_build_finds_what_it_needs(command: str) -> None:
    arguments = shlex.split(command)
    containerfile = REPOSITORY / arguments[arguments.index("-f") + 1]
    assert arguments[-1] == "."
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    seen = [line[1:] for line in ignored if line.startswith("!")]
    text = containerfile.read_text().replace("\\\n", "")
    defaults = dict(re.findall(r"^ARG (\w+)=(\S+)$", text, re.MULTILINE))
    for base in re.findall(r"^FROM \$\{(\w+)\}", text, re.MULTILINE):
        assert re.fullmatch(r"[a-z0-9./-]+:[\w.-]+", defaults[base])
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        for source in re.sub(r"\$\{(\w+)\}", lambda m: defaults[m[1]], sources).split():
            assert (REPOSITORY / source).exists()
            assert any(Path(source).is_relative_to(folder) for folder in seen), source
