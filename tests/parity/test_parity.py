"""`pulumi up` declares exactly what `render` writes: the same objects with the same fields."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from servestack.project import environment_names
from servestack.render.tree import read_tree, write_tree
from servestack.resolve.lock import read_lock, write_lock
from servestack.review.gate import build_checked
from tests.support.projects import PROJECTS, REPOSITORY, set_in_yaml
from tests.support.pulumi_mocks import Run, under_mocks

CASES = [
    pytest.param(root, environment, id=f"{root.name}-{environment}")
    for root in PROJECTS
    for environment in environment_names(root)
]


def program(environment: str, root: Path) -> None:
    """What `pulumi up` runs: it takes the environment from the stack's name."""
    from servestack.apply.program import declare

    own = root / "stacks/__main__.py"
    if own.exists():
        runpy.run_path(str(own), run_name="__main__")
    else:
        declare(environment, root)


def declared(root: Path, environment: str) -> dict[str, Any]:
    """Name → inputs of the objects that the Pulumi program registers."""
    run = under_mocks(program, environment, root, stack=environment)
    assert (run.raised, run.errors) == ("", [])
    return {name: resource.inputs for name, resource in run.objects().items()}


def rendered(folder: Path) -> dict[str, Any]:
    """The same from files, through YAML and back."""
    return {manifest.path.removesuffix(".yaml"): manifest.body for manifest in read_tree(folder)}


@pytest.mark.parametrize(("root", "environment"), CASES)
def test_pulumi_declares_what_is_rendered(root: Path, environment: str, tmp_path: Path) -> None:
    write_tree(tmp_path, build_checked(root, environment).manifests)
    wanted = rendered(tmp_path)
    assert declared(root, environment) == wanted
    assert len(wanted) > 5


def test_a_shadow_is_declared_as_it_is_rendered(project: Path, tmp_path: Path) -> None:
    artifact = "models:/iris@candidate"
    set_in_yaml(project / "models/iris.yaml", shadow={"artifact": artifact})
    file = project / "stacks/prod.lock.yaml"
    lock = read_lock(file, "prod")
    other = structs.replace(lock.models["iris"]["iris"], uri=artifact, sha256="cd" * 32)
    lock.models["iris"]["iris-shadow"] = other
    write_lock(file, lock)
    write_tree(tmp_path / "out", build_checked(project, "prod").manifests)
    wanted = rendered(tmp_path / "out")
    assert declared(project, "prod") == wanted
    assert "iris/deployment-iris-shadow" in wanted


@pytest.fixture(scope="module")
def prod() -> dict[str, Any]:
    return declared(REPOSITORY, "prod")


def edit(file: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / file).read_text()
        assert old in text
        (folder / file).write_text(text.replace(old, new, 1))

    return change


CHANGES = {
    "an object too few": lambda folder: (folder / "iris/service-iris.yaml").unlink(),
    "an object too many": lambda folder: (folder / "iris/service-more.yaml").write_text(
        (folder / "iris/service-iris.yaml").read_text().replace("  name: iris\n", "  name: more\n")
    ),
    "a number": edit("iris/deployment-iris.yaml", "minReadySeconds: ", "minReadySeconds: 1"),
    "a text for a number": edit("iris/service-iris.yaml", "port: 80", "port: '80'"),
    "a field too few": edit(
        "iris/serviceaccount-iris.yaml", "automountServiceAccountToken: false\n", ""
    ),
    "a field of a custom resource": edit("iris/podmonitor-iris.yaml", "interval: ", "interval: 1"),
    "a line of a file in a ConfigMap": edit("iris/configmap-iris-filebeat.yaml", "acks", "asks"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_one_change_breaks_parity(
    change: Callable[[Path], None], prod: dict[str, Any], tmp_path: Path
) -> None:
    write_tree(tmp_path, build_checked(REPOSITORY, "prod").manifests)
    assert prod == rendered(tmp_path)
    change(tmp_path)
    assert prod != rendered(tmp_path)


def test_a_program_that_fails_is_no_parity() -> None:
    run: Run = under_mocks(program, "prod", REPOSITORY / "examples", stack="prod")
    assert run.raised.startswith("RunError")
    assert run.objects() == {}
