"""How an environment is declared: components, what waits for what, the cluster, the outputs."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.support.projects import REPOSITORY, set_in_yaml
from tests.support.pulumi_mocks import Run, under_mocks

CONCERNS = {"Workload", "Network", "Autoscaling", "LogShipping", "Monitoring", "Access"}


def declare(environment: str, root: Path) -> None:
    from servestack.apply.program import declare

    declare(environment, root)


@pytest.fixture(scope="module")
def prod() -> Run:
    """This repository's prod environment."""
    return under_mocks(declare, "prod", REPOSITORY)


@pytest.fixture(scope="module")
def several() -> Run:
    """An environment with two models."""
    return under_mocks(declare, "staging", REPOSITORY / "examples/several", stack="staging")


def test_every_model_is_a_component_with_a_child_for_each_concern(prod: Run, several: Run) -> None:
    children = {c.type: c.parent for c in prod.components().values()}
    assert {f"servestack:index:{concern}" for concern in CONCERNS} <= set(children)
    for concern in CONCERNS:
        assert children[f"servestack:index:{concern}"] == "servestack:index:ModelService::iris"
    models = {c.name: c for c in several.components().values() if c.type.endswith(":ModelService")}
    assert set(models) == {"species", "baked"}
    assert {c.parent for c in models.values()} == {"pulumi:pulumi:Stack::servestack-staging"}


def test_every_object_is_below_a_component_and_on_the_environments_cluster(several: Run) -> None:
    for name, resource in several.objects().items():
        group = name.partition("/")[0]
        below = "EnvironmentBase::staging" if group == "_environment" else f"::{group}/"
        assert below in resource.parent, name
        # A namespace may be somebody else's, and nothing is forced on it.
        provider = "shared" if resource.type.endswith(":NamespacePatch") else "cluster"
        assert resource.provider == f"pulumi:providers:kubernetes::{provider}", name


def test_models_wait_for_what_the_environment_has_once(several: Run) -> None:
    base = {r.key for n, r in several.objects().items() if n.startswith("_environment/")}
    assert len(base) == 3
    for component in several.components().values():
        if component.type.endswith(":ModelService"):
            assert base <= set(component.dependencies)


def test_topics_stay_when_they_are_declared_no_more(project: Path) -> None:
    """Strimzi would delete a topic, with its events, when its KafkaTopic is deleted."""
    file = project / "stacks/prod.yaml"
    kafka = yaml.safe_load(file.read_text())["kafka"]
    topics = {"managedBy": "strimzi", "cluster": "events", "namespace": "kafka"}
    set_in_yaml(file, kafka=kafka | {"topics": topics})
    objects = under_mocks(declare, "prod", project).objects()
    of_topics = {name for name, one in objects.items() if one.type.endswith(":KafkaTopic")}
    assert len(of_topics) == 2
    assert {name for name, one in objects.items() if one.retained} == of_topics


def test_pods_wait_for_what_they_read_and_for_nothing_else_of_the_model(prod: Run) -> None:
    waits = {
        name: {other.rpartition("::")[2] for other in resource.dependencies}
        for name, resource in prod.objects().items()
        if resource.dependencies
    }
    assert waits == {
        "_environment/networkpolicy-default-deny": {"_environment/namespace-models"},
        "_environment/then-configmap-servestack-fleet-prod": {"_environment/namespace-models"},
        "iris/deployment-iris": {
            "iris/configmap-iris-server",
            "iris/configmap-iris-filebeat",
            "iris/serviceaccount-iris",
        },
    }


def test_outputs_are_names_and_addresses(several: Run) -> None:
    assert set(several.outputs) == {"environment", "namespace", "models"}
    species = several.outputs["models"]["species"]
    assert set(species) == {"url", "docs", "version", "topics", "dashboard"}
    assert species["docs"] == species["url"] + "/docs"
    assert species["dashboard"] == "species-dashboard"
    assert set(species["topics"]) == {"predictions", "feedback"}
    assert set(several.outputs["models"]) == {"species", "baked"}


@pytest.mark.parametrize(
    ("written", "given"),
    [
        ("", ""),
        (", kubeconfig: clusters/prod.yaml", "../clusters/prod.yaml"),
        (", kubeconfig: ~/.kube/prod", "~/.kube/prod"),
        (", kubeconfig: /etc/kube/prod", "/etc/kube/prod"),
    ],
)
def test_the_cluster_is_the_same_on_every_machine(
    project: Path, monkeypatch: pytest.MonkeyPatch, written: str, given: str
) -> None:
    """No path of this machine is handed over, as it would end in the state that all share."""
    monkeypatch.setenv("KUBECONFIG", "/home/somebody/a:/home/somebody/b")
    file = project / "stacks/prod.yaml"
    text = file.read_text()
    assert "{context: prod}" in text
    file.write_text(text.replace("{context: prod}", f"{{context: prod{written}}}"))
    run = under_mocks(declare, "prod", project)
    providers = {r.name: r for r in run.resources if r.type == "pulumi:providers:kubernetes"}
    assert set(providers) == {"cluster", "shared"}
    for name, provider in providers.items():
        assert provider.inputs == {
            "kubeconfig": given,
            "context": "prod",
            "enableServerSideApply": "true",
            "enablePatchForce": "true" if name == "cluster" else "false",
            "enableConfigMapMutable": "true",
        }


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("min: 3", "min: 30", "SRV125 autoscaling.min: 30 is above autoscaling.max 10"),
        ("@production", "@other", "SRV201 artifact: models:/iris@other is locked as"),
        ("owner: growth-ml", "", "SRV643"),
    ],
)
def test_what_is_wrong_with_a_spec_is_told_and_nothing_is_declared(
    project: Path, old: str, new: str, told: str
) -> None:
    file = project / "models/iris.yaml"
    file.write_text(file.read_text().replace(old, new))
    run = under_mocks(declare, "prod", project)
    assert any(told in error for error in run.errors), run.errors
    assert run.raised == "RunError: prod cannot be built; nothing was changed"
    assert run.resources == []
