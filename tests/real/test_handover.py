"""A fixed count of pods is handed over to an autoscaler, on a real API.

No controller runs behind it, so `spec.replicas` is what an apply made of it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from servestack.live.client import Cluster
from servestack.live.handover import MANAGER, HandedOver, admit_scaled_objects, hand_over
from servestack.live.kubeconfig import load_configuration
from servestack.manifests.assemble import build_manifests
from servestack.manifests.manifest import Manifest
from servestack.render.tree import to_stream, to_texts
from tests.docs.blocks import blocks_of
from tests.real.test_live import delete, live
from tests.support.apiserver import CONTEXT, ApiServer
from tests.support.kubectl import kubectl
from tests.support.projects import REPOSITORY
from tests.support.services import resolved

Manifests = tuple[Manifest, ...]
Apply = Callable[[ApiServer, Manifests], None]


def client_side(apiserver: ApiServer, manifests: Manifests) -> None:
    """`kubectl apply`; Argo CD does the same without `ServerSideApply=true`."""
    kubectl(apiserver, "apply", "-f", "-", text="".join(to_stream(to_texts(manifests))))


def server_side(apiserver: ApiServer, manifests: Manifests) -> None:
    stream = "".join(to_stream(to_texts(manifests)))
    kubectl(apiserver, "apply", "--server-side", "-f", "-", text=stream)


def as_flux(apiserver: ApiServer, manifests: Manifests) -> None:
    """A server-side apply under the controller's own name, with force. Pulumi does the same."""
    stream = "".join(to_stream(to_texts(manifests)))
    options = ("--server-side", "--force-conflicts", "--field-manager=kustomize-controller")
    kubectl(apiserver, "apply", *options, "-f", "-", text=stream)


WAYS = [client_side, server_side, as_flux]


@pytest.fixture
def fixed(tmp_path: Path) -> Manifests:
    return built(tmp_path / "fixed", {"replicas": 6})


@pytest.fixture
def scaled(tmp_path: Path) -> Manifests:
    return built(tmp_path / "scaled", {"autoscaling": {"min": 3, "max": 9}})


@pytest.fixture
def by_keda(tmp_path: Path) -> Manifests:
    keda = {"customMetrics": "keda", "keda": {"serverAddress": "http://prometheus:9090"}}
    spec = {"autoscaling": {"min": 3, "max": 9, "inFlightPerPod": 8}}
    return built(tmp_path / "by-keda", spec, {"metrics": keda})


@pytest.fixture(autouse=True)
def emptied(
    apiserver: ApiServer, fixed: Manifests, scaled: Manifests, by_keda: Manifests
) -> Iterator[None]:
    yield
    for manifests in (fixed, scaled, by_keda):
        delete(apiserver, manifests)


def built(
    folder: Path, spec: dict[str, Any], environment: dict[str, Any] | None = None
) -> Manifests:
    service = resolved(folder, spec, environment)
    return build_manifests(service.environment, "stacks/prod.yaml", [service])


def deployment(apiserver: ApiServer, manifests: Manifests) -> dict[str, Any]:
    body = next(manifest.body for manifest in manifests if manifest.kind == "Deployment")
    found = apiserver.client.get(body)
    assert found is not None
    return found


def count(apiserver: ApiServer, manifests: Manifests) -> int:
    replicas: int = deployment(apiserver, manifests)["spec"]["replicas"]
    return replicas


def cluster(apiserver: ApiServer) -> Cluster:
    return Cluster(load_configuration(str(apiserver.kubeconfig), CONTEXT))


@pytest.mark.parametrize("apply", WAYS)
def test_without_a_handover_one_pod_is_left(
    apply: Apply, apiserver: ApiServer, fixed: Manifests, scaled: Manifests
) -> None:
    """The danger itself: what the other tests prevent."""
    apply(apiserver, fixed)
    apply(apiserver, scaled)
    assert count(apiserver, scaled) == 1


@pytest.mark.parametrize("apply", WAYS)
def test_replicas_to_autoscaling(
    apply: Apply, apiserver: ApiServer, fixed: Manifests, scaled: Manifests
) -> None:
    apply(apiserver, fixed)
    assert "an apply drops 6 pods to 1 at once" in effects(apiserver, scaled)
    assert hand_over(cluster(apiserver), scaled) == (HandedOver("iris", 6),)
    assert "an apply drops" not in effects(apiserver, scaled)
    assert hand_over(cluster(apiserver), scaled) == ()
    for _ in range(2):
        apply(apiserver, scaled)
        assert count(apiserver, scaled) == 6


@pytest.mark.parametrize("apply", WAYS)
def test_replicas_to_a_scaled_object(
    apply: Apply, apiserver: ApiServer, fixed: Manifests, by_keda: Manifests
) -> None:
    apply(apiserver, fixed)
    assert "an apply drops 6 pods to 1 at once" in effects(apiserver, by_keda)
    assert hand_over(cluster(apiserver), by_keda) == (HandedOver("iris", 6),)
    apply(apiserver, by_keda)
    assert count(apiserver, by_keda) == 6


def test_keda_may_take_over_from_an_autoscaler_of_ours(
    apiserver: ApiServer, scaled: Manifests, by_keda: Manifests
) -> None:
    """No webhook of KEDA runs here: this is the annotation by which it lets the ScaledObject in."""
    assert admit_scaled_objects(cluster(apiserver), by_keda) == ()
    server_side(apiserver, scaled)
    scale(apiserver, 4)
    scaler = next(m.body for m in scaled if m.kind == "HorizontalPodAutoscaler")
    assert "annotations" not in (apiserver.client.get(scaler) or {})["metadata"]
    assert admit_scaled_objects(cluster(apiserver), scaled) == ()
    assert admit_scaled_objects(cluster(apiserver), by_keda) == ("iris",)
    assert admit_scaled_objects(cluster(apiserver), by_keda) == ()
    found = (apiserver.client.get(scaler) or {})["metadata"]["annotations"]
    assert found["validations.keda.sh/hpa-ownership"] == "false"
    server_side(apiserver, by_keda)
    apiserver.client.delete(scaler)
    assert count(apiserver, by_keda) == 4


def test_the_autoscaler_of_somebody_else_is_left(
    apiserver: ApiServer, scaled: Manifests, by_keda: Manifests
) -> None:
    server_side(apiserver, scaled)
    scaler = next(m.body for m in scaled if m.kind == "HorizontalPodAutoscaler")
    kubectl(
        apiserver, "-n", "models", "label", "hpa/iris", "app.kubernetes.io/managed-by=helm",
        "--overwrite",
    )  # fmt: skip
    assert admit_scaled_objects(cluster(apiserver), by_keda) == ()
    assert "annotations" not in (apiserver.client.get(scaler) or {})["metadata"]


def effects(apiserver: ApiServer, manifests: Manifests) -> str:
    groups = live(apiserver, manifests).groups
    return "; ".join(effect for group in groups for effect in group.effects)


@pytest.mark.parametrize("apply", WAYS)
def test_the_autoscaler_decides_afterwards(
    apply: Apply, apiserver: ApiServer, fixed: Manifests, scaled: Manifests
) -> None:
    apply(apiserver, fixed)
    hand_over(cluster(apiserver), scaled)
    apply(apiserver, scaled)
    scale(apiserver, 4)
    apply(apiserver, scaled)
    assert count(apiserver, scaled) == 4
    entries = deployment(apiserver, scaled)["metadata"]["managedFields"]
    owners = [e["manager"] for e in entries if "f:replicas" in e["fieldsV1"].get("f:spec", {})]
    assert MANAGER not in owners
    assert hand_over(cluster(apiserver), scaled) == ()


def scale(apiserver: ApiServer, replicas: int) -> None:
    """As the autoscaler does: through the scale subresource."""
    kubectl(apiserver, "-n", "models", "scale", "deployment/iris", f"--replicas={replicas}")


PAGE = "docs/how-to/fixed-count-to-autoscaling.md"


def test_the_page_names_commands_that_exist() -> None:
    own = [
        block.text.strip()
        for block in blocks_of(REPOSITORY / PAGE, PAGE)
        if block.text.startswith("servestack")
    ]
    commands = [
        block.text for block in blocks_of(REPOSITORY / PAGE, PAGE) if block.language == "sh"
    ]
    assert own == ["servestack handover prod", "servestack diff prod --live"]
    assert len(commands) == len(own) + 2


@pytest.mark.parametrize("apply", WAYS)
def test_by_hand_as_the_page_says(
    apply: Apply, apiserver: ApiServer, fixed: Manifests, scaled: Manifests, tmp_path: Path
) -> None:
    apply(apiserver, fixed)
    beside, annotation = [
        block.text
        for block in blocks_of(REPOSITORY / PAGE, PAGE)
        if block.language == "sh" and block.text.startswith("kubectl")
    ]
    type_in(apiserver, annotation if apply is client_side else beside, tmp_path)
    assert "an apply drops" not in effects(apiserver, scaled)
    apply(apiserver, scaled)
    assert count(apiserver, scaled) == 6


def type_in(apiserver: ApiServer, script: str, folder: Path) -> None:
    """Run a block of the page in bash, whose kubectl asks the test cluster."""
    config = yaml.safe_load(apiserver.kubeconfig.read_text()) | {"current-context": CONTEXT}
    (folder / "kubeconfig").write_text(yaml.safe_dump(config))
    here = str(Path(sys.executable).parent)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, check=False,
        env={**os.environ, "KUBECONFIG": str(folder / "kubeconfig"),
             "PATH": f"{here}{os.pathsep}{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_manager_with_more_than_the_count_is_left(
    apiserver: ApiServer, fixed: Manifests, scaled: Manifests, tmp_path: Path
) -> None:
    """kubectl moves all fields to the manager where somebody took the wrong one of the two ways."""
    client_side(apiserver, fixed)
    beside = next(b for b in blocks_of(REPOSITORY / PAGE, PAGE) if b.text.startswith("kubectl"))
    type_in(apiserver, beside.text, tmp_path)
    before = deployment(apiserver, scaled)["spec"]
    hand_over(cluster(apiserver), scaled)
    assert deployment(apiserver, scaled)["spec"] == before


@pytest.mark.parametrize("apply", [server_side, as_flux])
def test_old_manifests_in_between_do_no_harm(
    apply: Apply, apiserver: ApiServer, fixed: Manifests, scaled: Manifests
) -> None:
    apply(apiserver, fixed)
    hand_over(cluster(apiserver), scaled)
    apply(apiserver, fixed)
    apply(apiserver, scaled)
    assert count(apiserver, scaled) == 6


def test_old_manifests_by_kubectl_undo_it(
    apiserver: ApiServer, fixed: Manifests, scaled: Manifests
) -> None:
    """As the page says: the annotation has the field again, and `diff --live` says so."""
    client_side(apiserver, fixed)
    hand_over(cluster(apiserver), scaled)
    client_side(apiserver, fixed)
    assert "an apply drops 6 pods to 1 at once" in effects(apiserver, scaled)
    assert hand_over(cluster(apiserver), scaled) == (HandedOver("iris", 6),)
    client_side(apiserver, scaled)
    assert count(apiserver, scaled) == 6


@pytest.mark.parametrize("apply", WAYS)
def test_there_and_back_and_there(
    apply: Apply, apiserver: ApiServer, fixed: Manifests, scaled: Manifests
) -> None:
    """What the first handover left behind does not spoil the second."""
    for _ in range(2):
        if apply is server_side:
            kubectl_options = ("--server-side", "--force-conflicts", "-f", "-")
            kubectl(apiserver, "apply", *kubectl_options, text="".join(to_stream(to_texts(fixed))))
        else:
            apply(apiserver, fixed)
        assert count(apiserver, fixed) == 6
        assert hand_over(cluster(apiserver), scaled) == (HandedOver("iris", 6),)
        apply(apiserver, scaled)
        assert count(apiserver, scaled) == 6
        scale(apiserver, 4)


def test_the_way_back_sets_the_number(
    apiserver: ApiServer, fixed: Manifests, scaled: Manifests
) -> None:
    as_flux(apiserver, scaled)
    scale(apiserver, 4)
    as_flux(apiserver, fixed)
    assert count(apiserver, fixed) == 6


def test_what_is_not_ours_is_left(
    apiserver: ApiServer, fixed: Manifests, scaled: Manifests
) -> None:
    server_side(apiserver, fixed)
    label = "app.kubernetes.io/managed-by=somebody"
    kubectl(apiserver, "-n", "models", "label", "deployment/iris", "--overwrite", label)
    before = deployment(apiserver, scaled)["metadata"]["resourceVersion"]
    assert hand_over(cluster(apiserver), scaled) == ()
    assert deployment(apiserver, scaled)["metadata"]["resourceVersion"] == before


def test_a_fixed_count_stays_with_its_manifest(apiserver: ApiServer, fixed: Manifests) -> None:
    server_side(apiserver, fixed)
    assert hand_over(cluster(apiserver), fixed) == ()
    assert hand_over(cluster(apiserver), ()) == ()


def test_nothing_is_there_yet(apiserver: ApiServer, scaled: Manifests) -> None:
    assert hand_over(cluster(apiserver), scaled) == ()
