"""What a spec says of its pods, in the objects that are built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from servestack.errors import ResolveError
from servestack.local.settings import ServeOptions, local_settings
from servestack.manifests.assemble import build_service_manifests
from servestack.manifests.manifest import Body
from servestack.manifests.server_settings import server_settings, settings_text
from servestack.review.validate import validate
from servestack_contract.settings import Log
from tests.support import whole_pods
from tests.support.services import resolved

ROLE = "arn:aws:iam::111122223333:role/iris"


def bodies(
    folder: Path, spec: dict[str, Any], environment: dict[str, Any] | None = None
) -> dict[str, Body]:
    """The objects of a model, by their kind."""
    manifests = build_service_manifests(resolved(folder, spec, environment))
    assert [fault for manifest in manifests for fault in validate(manifest.body)] == []
    return {manifest.kind: manifest.body for manifest in manifests}


def pod(
    folder: Path, spec: dict[str, Any], environment: dict[str, Any] | None = None
) -> dict[str, Any]:
    built = bodies(folder, spec, environment)["Deployment"]["spec"]["template"]["spec"]
    assert isinstance(built, dict)
    return built


def server(pod_spec: dict[str, Any]) -> dict[str, Any]:
    found = pod_spec["containers"]
    assert [container["name"] for container in found] == ["server"]
    container: dict[str, Any] = found[0]
    return container


def test_role_annotation(tmp_path: Path) -> None:
    given = {"serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": ROLE}}}
    built = bodies(tmp_path, given)
    account = built["ServiceAccount"]
    assert account["metadata"]["annotations"] == {"eks.amazonaws.com/role-arn": ROLE}
    assert account["automountServiceAccountToken"] is False
    assert built["Deployment"]["spec"]["template"]["spec"]["serviceAccountName"] == "iris"


def test_an_existing_account_is_used_and_not_made(tmp_path: Path) -> None:
    built = bodies(tmp_path, {"serviceAccount": {"name": "growth"}})
    assert "ServiceAccount" not in built
    assert built["Deployment"]["spec"]["template"]["spec"]["serviceAccountName"] == "growth"


def test_gpu(tmp_path: Path) -> None:
    """Nothing in the environment: NVIDIA's resource, and a toleration of the usual taint."""
    built = pod(tmp_path, {"resources": {"gpu": {"count": 1}}})
    for part in ("requests", "limits"):
        assert server(built)["resources"][part]["nvidia.com/gpu"] == "1"
    assert built["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    ]
    assert not {"nodeSelector", "runtimeClassName"} & built.keys()
    fetch = next(c for c in built["initContainers"] if c["name"] == "fetch")
    assert "nvidia.com/gpu" not in fetch["resources"]["limits"]


def test_gpus_are_what_the_environment_calls_them(tmp_path: Path) -> None:
    kinds = {
        "default": {"resource": "amd.com/gpu"},
        "large": {
            "resource": "nvidia.com/gpu",
            "tolerations": [{"key": "pool", "value": "gpu"}],
            "nodeSelector": {"gpu": "large", "zone": "a"},
            "runtimeClass": "nvidia",
        },
    }
    plain = pod(tmp_path / "a", {"resources": {"gpu": {"count": 1}}}, {"gpus": kinds})
    assert server(plain)["resources"]["limits"]["amd.com/gpu"] == "1"
    assert [toleration["key"] for toleration in plain["tolerations"]] == ["amd.com/gpu"]
    spec: dict[str, Any] = {
        "resources": {"gpu": {"count": 4, "type": "large"}},
        "scheduling": {
            "nodeSelector": {"zone": "b"},
            "tolerations": [{"key": "pool", "value": "gpu"}],
        },
    }
    large = pod(tmp_path / "b", spec, {"gpus": kinds})
    assert server(large)["resources"]["requests"]["nvidia.com/gpu"] == "4"
    # The model's own label wins, and a taint that both name is tolerated once.
    assert large["nodeSelector"] == {"gpu": "large", "zone": "b"}
    assert large["tolerations"] == [{"key": "pool", "operator": "Equal", "value": "gpu"}]
    assert large["runtimeClassName"] == "nvidia"
    spec["scheduling"] |= {"runtimeClass": "kata"}
    assert pod(tmp_path / "c", spec, {"gpus": kinds})["runtimeClassName"] == "kata"


@pytest.mark.parametrize(
    ("resource", "kinds", "tolerated", "rest"),
    [
        # An unknown device: the taint that Kubernetes' own plugin would tolerate.
        ("example.com/fpga", {}, ["example.com/fpga"], {}),
        # A part of a GPU is on GPU nodes; which of them, the environment's default does not know.
        ("nvidia.com/mig-1g.5gb", {}, ["nvidia.com/gpu", "nvidia.com/mig-1g.5gb"], {}),
        (
            "nvidia.com/mig-1g.5gb",
            {"default": {"runtimeClass": "nvidia", "nodeSelector": {"gpu": "whole"}}},
            ["nvidia.com/gpu", "nvidia.com/mig-1g.5gb"],
            {"runtimeClassName": "nvidia"},
        ),
        # One that the environment describes is where it says.
        (
            "nvidia.com/mig-1g.5gb",
            {
                "slice": {
                    "resource": "nvidia.com/mig-1g.5gb",
                    "tolerations": [{"key": "mig", "operator": "Exists"}],
                    "nodeSelector": {"gpu": "sliced"},
                }
            },
            ["mig"],
            {"nodeSelector": {"gpu": "sliced"}},
        ),
    ],
)
def test_other_devices_keep_their_names(
    tmp_path: Path,
    resource: str,
    kinds: dict[str, Any],
    tolerated: list[str],
    rest: dict[str, Any],
) -> None:
    built = pod(tmp_path, {"resources": {"extended": {resource: 2}}}, {"gpus": kinds})
    resources = server(built)["resources"]
    assert resources["requests"][resource] == resources["limits"][resource] == "2"
    assert [toleration["key"] for toleration in built["tolerations"]] == tolerated
    found = {key: built[key] for key in ("nodeSelector", "runtimeClassName") if key in built}
    assert found == rest


def test_gpus_that_the_environment_does_not_have(tmp_path: Path) -> None:
    spec = {"resources": {"gpu": {"count": 1, "type": "h100"}}}
    with pytest.raises(ResolveError) as caught:
        resolved(tmp_path, spec, {"gpus": {"a100": {}}})
    (problem,) = caught.value.problems
    assert (problem.id, problem.field) == ("SRV176", "resources.gpu.type")
    assert problem.message == "the environment prod has no GPUs called 'h100'"
    assert "a100, default" in problem.hint
    assert problem.location is not None
    line = problem.location.file.read_text().splitlines()[problem.location.line - 1]
    assert line.strip() == "type: h100"


def test_a_device_is_asked_for_once(tmp_path: Path) -> None:
    both = {"resources": {"gpu": {"count": 1}, "extended": {"nvidia.com/gpu": 1}}}
    with pytest.raises(ResolveError, match="SRV177"):
        resolved(tmp_path, both)


def test_affinity_and_volumes(tmp_path: Path) -> None:
    """The case as it was reported: both empty, which changes nothing."""
    empty = pod(tmp_path / "a", {"scheduling": {"affinity": {}}, "volumes": []})
    assert empty == pod(tmp_path / "b", {})


def test_affinity_is_what_was_written(tmp_path: Path) -> None:
    affinity = pod(tmp_path, {"scheduling": {"affinity": whole_pods.AFFINITY}})["affinity"]
    written = whole_pods.AFFINITY
    assert affinity["nodeAffinity"] == written["nodeAffinity"]
    # An empty selector means all namespaces, and stays.
    assert affinity["podAffinity"] == written["podAffinity"]
    (term,) = affinity["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    own = {"app.kubernetes.io/name": "iris", "app.kubernetes.io/component": "model-server"}
    assert term["labelSelector"] == {"matchLabels": own}


def test_an_anti_affinity_for_every_model_is_about_its_own_pods(tmp_path: Path) -> None:
    term = {"weight": 50, "podAffinityTerm": {"topologyKey": "kubernetes.io/hostname"}}
    apart = {"preferredDuringSchedulingIgnoredDuringExecution": [term]}
    defaults = {"scheduling": {"affinity": {"podAntiAffinity": apart}}}
    built = pod(tmp_path, {}, {"defaults": defaults})["affinity"]["podAntiAffinity"]
    (found,) = built["preferredDuringSchedulingIgnoredDuringExecution"]
    labels = found["podAffinityTerm"]["labelSelector"]["matchLabels"]
    assert labels["app.kubernetes.io/name"] == "iris"


def test_the_spread_is_what_was_written(tmp_path: Path) -> None:
    zone = {"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "minDomains": 3}
    built = pod(tmp_path / "a", {"scheduling": {"topologySpread": [zone, {"topologyKey": "host"}]}})
    first, second = built["topologySpreadConstraints"]
    assert first.items() >= (zone | {"maxSkew": 1}).items()
    assert second["whenUnsatisfiable"] == "ScheduleAnyway"
    assert first["labelSelector"] == second["labelSelector"]
    assert "topologySpreadConstraints" not in pod(
        tmp_path / "b", {"scheduling": {"topologySpread": []}}
    )


def test_volumes_are_mounted_into_the_server_for_reading(tmp_path: Path) -> None:
    built = pod(tmp_path, {"volumes": whole_pods.VOLUMES, "sidecars": whole_pods.SPEC["sidecars"]})
    names = [volume["name"] for volume in built["volumes"]]
    assert len(set(names)) == len(names)
    sources = {volume.pop("name"): volume for volume in built["volumes"]}
    assert sources["lookup"] == {"persistentVolumeClaim": {"claimName": "lookup"}}
    assert sources["tokenizer"] == {
        "image": {"reference": "registry.example.com/tokenizer:7", "pullPolicy": "IfNotPresent"}
    }
    claim = sources["scratch"]["ephemeral"]["volumeClaimTemplate"]["spec"]
    assert claim["accessModes"] == ["ReadWriteOnce"]
    assert claim["resources"] == {"requests": {"storage": "10Gi"}}
    assert sources["shm"] == {"emptyDir": {"medium": "Memory", "sizeLimit": "256Mi"}}
    assert sources["vault"]["csi"]["readOnly"] is True
    (token, *_) = sources["tokens"]["projected"]["sources"]
    assert token["serviceAccountToken"]["path"] == "token"
    mounts = {m["mountPath"]: m for m in server(built)["volumeMounts"]}
    assert "shared" not in {mount["name"] for mount in mounts.values()}
    assert mounts["/data/plans.csv"] == {
        "name": "plans", "mountPath": "/data/plans.csv", "subPath": "plans.csv", "readOnly": True,
    }  # fmt: skip
    # What begins empty is there to be written.
    writable = {path for path, mount in mounts.items() if not mount.get("readOnly")}
    assert {path for path in writable if path.startswith(("/data", "/dev"))} == {
        "/data/scratch", "/dev/shm",
    }  # fmt: skip


@pytest.mark.parametrize(("read_only", "expected"), [(True, True), (False, None)])
def test_a_volume_is_mounted_as_it_was_asked_for(
    tmp_path: Path, read_only: bool, expected: bool | None
) -> None:
    volume = {"name": "a", "mountPath": "/a", "readOnly": read_only, "emptyDir": {}}
    claim = {"persistentVolumeClaim": {"claimName": "b"}}
    volumes = [volume, {"name": "b", "mountPath": "/b", "readOnly": read_only} | claim]
    mounts = server(pod(tmp_path, {"volumes": volumes}))["volumeMounts"]
    assert [m.get("readOnly") for m in mounts if m["name"] in ("a", "b")] == [expected] * 2


def test_further_containers_start_first_and_may_do_nothing_that_ours_may_not(
    tmp_path: Path,
) -> None:
    built = pod(tmp_path, whole_pods.SPEC, whole_pods.ENVIRONMENT)
    assert [container["name"] for container in built["initContainers"]] == [
        "warm", "proxy", "fetch", "filebeat",
    ]  # fmt: skip
    warm, proxy, fetch, _ = built["initContainers"]
    assert warm["securityContext"] == proxy["securityContext"] == fetch["securityContext"]
    assert "restartPolicy" not in warm
    assert proxy["restartPolicy"] == "Always"
    assert proxy["imagePullPolicy"] == "Always"
    assert (warm["command"], warm["args"]) == (["sh", "-c"], ["cp -r /in /shared"])
    assert [mount.get("readOnly") for mount in warm["volumeMounts"]] == [None, True]
    assert [mount.get("readOnly") for mount in proxy["volumeMounts"]] == [True]
    assert proxy["ports"] == [{"name": "postgres", "containerPort": 5432, "protocol": "TCP"}]
    reference = {"name": "db", "key": "password"}
    assert proxy["env"] == [
        {"name": "MODE", "value": "ro"},
        {"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": reference}},
    ]
    amounts = {"cpu": "1", "memory": "128Mi", "ephemeral-storage": "64Mi"}
    assert proxy["resources"] == {"requests": amounts, "limits": amounts}


def test_the_model_image_is_pulled_as_the_model_says(tmp_path: Path) -> None:
    environment = {"images": {"pullSecrets": ["registry", "both"]}}
    own = {"image": {"pullPolicy": "Always", "pullSecrets": ["both", "growth"]}}
    built = pod(tmp_path / "a", own, environment)
    assert server(built)["image"] == "registry.example.com/serving:1.0"
    assert server(built)["imagePullPolicy"] == "Always"
    secrets = [secret["name"] for secret in built["imagePullSecrets"]]
    assert secrets == ["registry", "both", "growth"]
    other = {"image": {"repository": "registry.example.com/growth", "tag": "3"}}
    built = pod(tmp_path / "b", other, {"images": {"server": {"pullPolicy": "Never"}}})
    assert server(built)["image"] == "registry.example.com/growth:3"
    assert server(built)["imagePullPolicy"] == "IfNotPresent"


def test_the_models_own_fetch_secret_comes_first(tmp_path: Path) -> None:
    environment = {"fetch": {"secret": "everybody"}}
    for name, spec, secret in (
        ("a", {"fetch": {"secret": "iris-artifacts"}}, "iris-artifacts"),
        ("b", {}, "everybody"),
    ):
        containers = pod(tmp_path / name, spec, environment)["initContainers"]
        fetch = next(c for c in containers if c["name"] == "fetch")
        assert fetch["envFrom"] == [{"secretRef": {"name": secret}}]


def test_the_fetch_container_gets_what_it_needs_beside_a_secret(tmp_path: Path) -> None:
    spec = {
        "volumes": [{"name": "ca", "configMap": {"name": "company-ca"}}],
        "fetch": {
            "env": [{"name": "SSL_CERT_FILE", "value": "/etc/company/ca.crt"}],
            "volumeMounts": [{"name": "ca", "mountPath": "/etc/company"}],
        },
    }
    built = pod(tmp_path, spec)
    fetch = next(c for c in built["initContainers"] if c["name"] == "fetch")
    assert {"name": "SSL_CERT_FILE", "value": "/etc/company/ca.crt"} in fetch["env"]
    mount = {"name": "ca", "mountPath": "/etc/company", "readOnly": True}
    assert mount in fetch["volumeMounts"]
    assert mount not in server(built)["volumeMounts"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"maxSurge": 1, "maxUnavailable": 0}),
        ({"maxSurge": 0, "maxUnavailable": 1}, {"maxSurge": 0, "maxUnavailable": 1}),
        ({"maxSurge": "25%"}, {"maxSurge": "25%", "maxUnavailable": 0}),
    ],
)
def test_a_rollout_surges_as_the_spec_says(
    tmp_path: Path, given: dict[str, Any], expected: dict[str, Any]
) -> None:
    built = bodies(tmp_path, {"rollout": given})
    strategy = built["Deployment"]["spec"]["strategy"]
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": expected}
    # A drain evicts one pod at a time, however a rollout goes.
    assert built["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1


def test_the_log_reaches_the_server_where_it_is_not_as_usual(tmp_path: Path) -> None:
    asked = {"logging": {"level": "debug", "format": "json"}}
    assert server_settings(resolved(tmp_path / "a", asked)).log == Log("debug", "json")
    assert '"log"' not in settings_text(server_settings(resolved(tmp_path / "b", {})))


def test_a_server_on_this_machine_logs_for_a_reader(tmp_path: Path) -> None:
    service = resolved(tmp_path, {"logging": {"level": "error", "format": "json"}})
    options = ServeOptions("127.0.0.1", 8080, events=None, api_keys=None)
    assert local_settings(service, options).log is None


def test_all_of_it_is_valid_for_kubernetes(tmp_path: Path) -> None:
    built = pod(tmp_path, whole_pods.SPEC, whole_pods.ENVIRONMENT)
    assert built["runtimeClassName"] == "nvidia"


def test_a_name_of_63_characters(tmp_path: Path) -> None:
    name = "a" * 63
    built = bodies(tmp_path, {"name": name})
    assert built["Service"]["metadata"]["name"] == name
    assert built["Deployment"]["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"] == name


def test_volumes_of_all_layers_are_mounted_unless_an_override_replaces_them(tmp_path: Path) -> None:
    def names(overrides: dict[str, Any]) -> set[str]:
        volumes = [{"name": "a", "mountPath": "/a", "emptyDir": {}}]
        environment = {"defaults": {"volumes": volumes}, "overrides": {"iris": overrides}}
        own = {"volumes": [{"name": "b", "mountPath": "/b", "emptyDir": {}}]}
        return {volume["name"] for volume in pod(tmp_path, own, environment)["volumes"]}

    assert {"a", "b"} <= names({})
    assert not {"a", "b"} & names({"volumes": {"replace": []}})
