"""What `servestack init` makes runs, in an environment that holds its requirements and no more.

Pulumi's official Python language host is in no package registry, and is not run here. (Built by
hand from Pulumi's sources it took the project as it is.) What it does is done in its place: it installs `requirements.txt` beside the program, in stacks/, into the
environment that Pulumi.yaml names, and runs the program there with that environment's Python
(sdk/python/toolchain/pip.go of Pulumi 3.250). uv stands for pip where that is only faster.
`pulumi login` and `pulumi up` themselves need a cluster and the kubernetes plugin: tests/engine
and tests/cluster go that way.
"""

from __future__ import annotations

import pytest
import yaml

from tests.quickstart.commands import commands_of
from tests.quickstart.conftest import UV, Newcomer

PULUMI = (
    "pulumi login --local",
    "pulumi install",
    "pulumi stack select --create dev",
    "pulumi up",
)
PROGRAM = """
import runpy, sys
import pulumi

class Echo(pulumi.runtime.Mocks):
    def new_resource(self, args):
        return args.name, args.inputs
    def call(self, args):
        return {}

pulumi.runtime.set_mocks(Echo(), project="servestack", stack=sys.argv[1], preview=False)

@pulumi.runtime.test
def program():
    runpy.run_path(sys.argv[2], run_name="__main__")

try:
    program()
except pulumi.RunError as error:
    sys.exit(f"RunError: {error}")
print("declared")
"""
"""The program under Pulumi's mocks. A RunError is what Pulumi prints without a traceback."""


@pytest.fixture(scope="module")
def followed(newcomer: Newcomer) -> Newcomer:
    """The README's lines up to Pulumi's, each typed and each successful."""
    install(newcomer)
    lines = commands_of(newcomer.root / "README.md")
    assert tuple(lines[-len(PULUMI) :]) == PULUMI
    for line in lines[: -len(PULUMI)]:
        if line.endswith("-m venv .venv"):
            continue
        installs = line.startswith(".venv/bin/pip install ")
        newcomer.must(line if not installs else by_uv(line))
    return newcomer


def by_uv(line: str) -> str:
    return line.replace(".venv/bin/pip install", f"{UV} -q pip install --python .venv/bin/python")


def install(newcomer: Newcomer) -> None:
    """As `pulumi install` does: stacks/requirements.txt, from stacks/."""
    line = f"{UV} -q pip install --python ../.venv/bin/python -r requirements.txt"
    newcomer.must(f"cd stacks && {line}")


def program(newcomer: Newcomer, stack: str, python: str = ".venv/bin/python") -> tuple[int, str]:
    done = newcomer.type(f'{python} -c "$PROGRAM" {stack} stacks', PROGRAM=PROGRAM)
    return done.returncode, done.stdout + done.stderr


def test_the_readmes_commands_one_by_one(followed: Newcomer) -> None:
    lock = yaml.safe_load((followed.root / "stacks/dev.lock.yaml").read_text())
    assert lock["models"]["iris"]["iris"]["version"] == "1"
    assert (followed.root / "rendered/dev/iris/deployment-iris.yaml").exists()
    followed.must(".venv/bin/servestack render dev --check")


def test_the_program_declares_what_is_rendered(followed: Newcomer) -> None:
    code, said = program(followed, "dev")
    assert (code, said.splitlines()[-1]) == (0, "declared"), said[-3000:]


def test_a_stack_without_an_environment_is_told(followed: Newcomer) -> None:
    code, said = program(followed, "staging")
    assert code == 1
    assert "SRV206 no environment is called 'staging'" in said
    assert "the environments are dev, prod" in said
    assert "Traceback" not in said


def test_an_environment_that_is_not_locked_is_told(followed: Newcomer) -> None:
    code, said = program(followed, "prod")
    assert code == 1
    assert "SRV201 artifact: models:/iris@production is not in the lock" in said
    assert "run `servestack lock prod`" in said
    assert "Traceback" not in said


def test_without_servestack_the_program_says_what_to_run(followed: Newcomer) -> None:
    """An environment that has Pulumi and nothing else."""
    followed.must(f"{UV} -q venv ../bare")
    metadata = "from importlib.metadata import version; print(version('pulumi'))"
    version = followed.must(f'.venv/bin/python -c "{metadata}"').strip()
    followed.must(f"{UV} -q pip install --python ../bare/bin/python pulumi=={version}")
    code, said = program(followed, "dev", "../bare/bin/python")
    assert code == 1
    assert "the Python package servestack is missing" in said
    assert "run `pulumi install`" in said
    assert "Traceback" not in said


def test_a_second_init_is_harmless(followed: Newcomer) -> None:
    said = followed.must("../tool/bin/servestack init")
    assert "wrote" not in said
    followed.must(".venv/bin/servestack render dev --check")
