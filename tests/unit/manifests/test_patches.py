"""Patches of a spec: what they change, what they may not, and how a reader is told."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from servestack.errors import BuildError, SpecError
from servestack.manifests.assemble import build_manifests, build_service_manifests
from servestack.manifests.manifest import Manifest
from servestack.manifests.strategic_merge import MergeError, merge_patch
from servestack.resolve.resolved import ResolvedService
from servestack.review import reports
from servestack.review.findings import Finding, find
from servestack.review.patched import patched_fields
from servestack.review.summary import review
from tests.parity.test_parity import declared
from tests.support.projects import REPOSITORY
from tests.support.services import NULL, load_settings, load_spec, lock_of, resolved


def of_pod(spec: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "Deployment", "patch": {"spec": {"template": {"spec": spec}}}}


def of_server(container: dict[str, Any]) -> dict[str, Any]:
    return of_pod({"containers": [{"name": "server", **container}]})


ALIASES = of_pod({"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a.example.com"]}]})


def built(folder: Path, *patches: dict[str, Any], **more: Any) -> dict[str, Manifest]:
    """Kind and name → manifest."""
    manifests = build_service_manifests(resolved(folder, {"patches": list(patches)}, **more))
    return {f"{manifest.kind}/{manifest.name}": manifest for manifest in manifests}


def findings(service: ResolvedService, folder: Path) -> tuple[Finding, ...]:
    settings = load_settings(folder)
    return find([service], build_service_manifests(service), settings.document)


def line_of(finding: Finding) -> str:
    return finding.location.file.read_text().splitlines()[finding.location.line - 1].strip(" -")


def test_without_patches_nothing_tells_of_them(tmp_path: Path) -> None:
    for manifest in built(tmp_path).values():
        assert (manifest.patches, manifest.unpatched) == ((), None)
        assert "patches" not in json.dumps(manifest.body["metadata"])


def test_only_the_named_object_changes_and_says_by_what(tmp_path: Path) -> None:
    plain = built(tmp_path / "plain")
    config = {"kind": "ConfigMap", "name": "iris-dashboard", "patch": {"data": {"a.json": "{}"}}}
    patched = built(tmp_path, ALIASES, config, of_server({"stdin": True}))
    changed = {key for key in plain if plain[key].body != patched[key].body}
    assert changed == {"Deployment/iris", "ConfigMap/iris-dashboard"}
    deployment = patched["Deployment/iris"]
    assert deployment.unpatched == plain["Deployment/iris"].body
    assert list(plain) == list(patched)
    file = f"{tmp_path}/models/iris.yaml"
    told = deployment.body["metadata"]["annotations"]["servestack.dev/patches"]
    assert told == f"{file} patches[0], {file} patches[2]"


def test_layers_may_patch_and_the_last_one_counts(tmp_path: Path) -> None:
    overrides = {"iris": {"patches": [of_server({"stdin": True})]}}
    deployment = built(tmp_path, ALIASES, environment={"overrides": overrides})["Deployment/iris"]
    told = deployment.body["metadata"]["annotations"]["servestack.dev/patches"]
    assert told == f"{tmp_path}/stacks/prod.yaml patches[0]"
    assert "hostAliases" not in deployment.body["spec"]["template"]["spec"]
    fields = dict(patched_fields(deployment))
    (line,) = {place.line for place in fields.values()}
    assert "stdin" in (tmp_path / "stacks/prod.yaml").read_text().splitlines()[line - 1]


def test_pods_restart_for_a_patched_configuration(tmp_path: Path) -> None:
    def digest(manifests: dict[str, Manifest]) -> str:
        template = manifests["Deployment/iris"].body["spec"]["template"]
        return str(template["metadata"]["annotations"]["servestack.dev/config-sha256"])

    plain = built(tmp_path)
    patch = {"kind": "ConfigMap", "name": "iris-filebeat", "patch": {"data": {"more": "x"}}}
    patched = built(tmp_path, patch)
    assert digest(patched) != digest(plain)
    data = [patched[f"ConfigMap/iris-{name}"].body["data"] for name in ("server", "filebeat")]
    wanted = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
    assert digest(patched) == wanted
    dashboard = {"kind": "ConfigMap", "name": "iris-dashboard", "patch": {"data": {"more": "x"}}}
    assert digest(built(tmp_path, dashboard)) == digest(plain)


REFUSED: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "a kind that is not rendered": (
        {"kind": "StatefulSet", "patch": {"spec": {"replicas": 2}}},
        "SRV162", "patches[0].kind", "renders no StatefulSet in prod"),
    "several of a kind": (
        {"kind": "ConfigMap", "patch": {"data": {"a": "b"}}},
        "SRV162", "patches[0]", "renders 3 objects of kind ConfigMap"),
    "another name": (
        {"kind": "ConfigMap", "name": "mine", "patch": {"data": {"a": "b"}}},
        "SRV162", "patches[0].name", "renders no ConfigMap called 'mine'"),
    "the version": (
        {"kind": "Service", "patch": {"apiVersion": "v2"}},
        "SRV163", "patches[0].patch.apiVersion", "changes apiVersion of Service"),
    "the kind": (
        {"kind": "Service", "patch": {"kind": "Pod"}},
        "SRV163", "patches[0].patch.kind", "changes kind of Service"),
    "the name": (
        {"kind": "Service", "patch": {"metadata": {"name": "b"}}},
        "SRV163", "patches[0].patch.metadata.name", "changes metadata.name of Service"),
    "the namespace": (
        {"kind": "Service", "patch": {"metadata": {"namespace": NULL}}},
        "SRV163", "patches[0].patch.metadata.namespace", "changes metadata.namespace of Service"),
    "the selector of a Service": (
        {"kind": "Service", "patch": {"spec": {"selector": {"version": "3"}}}},
        "SRV163", "patches[0].patch.spec.selector", "changes spec.selector of Service"),
    "the selector of a policy": (
        {"kind": "NetworkPolicy", "patch": {"spec": {"podSelector": {"$patch": "delete"}}}},
        "SRV163", "patches[0].patch.spec.podSelector", "changes spec.podSelector of NetworkPolicy"),
    "a label that is selected by": (
        {"kind": "Deployment", "patch": {"spec": {"template": {"metadata": {"labels": {
            "app.kubernetes.io/name": "b"}}}}}},
        "SRV163",
        "patches[0].patch.spec.template.metadata.labels['app.kubernetes.io/name']",
        "changes spec.template.metadata.labels['app.kubernetes.io/name'] of Deployment"),
    "the digest of the configuration": (
        {"kind": "Deployment", "patch": {"spec": {"template": {"metadata": {"annotations": {
            "servestack.dev/config-sha256": "x"}}}}}},
        "SRV163",
        "patches[0].patch.spec.template.metadata.annotations['servestack.dev/config-sha256']",
        "changes spec.template.metadata.annotations['servestack.dev/config-sha256'] of Deployment"),
    "what tells of patches": (
        {"kind": "Service", "patch": {"metadata": {"annotations": {"servestack.dev/patches": "x"}}}},
        "SRV163", "patches[0].patch.metadata.annotations['servestack.dev/patches']",
        "changes metadata.annotations['servestack.dev/patches'] of Service"),
    "the whole object": (
        {"kind": "PodDisruptionBudget", "patch": {"$patch": "delete"}},
        "SRV163", "patches[0].patch.$patch", "changes apiVersion of PodDisruptionBudget"),
    "the server": (
        of_pod({"containers": [{"name": "server", "$patch": "delete"}]}),
        "SRV163", "patches[0].patch.spec.template.spec.containers",
        "changes spec.template.spec.containers of Deployment"),
    "an item without its key": (
        of_pod({"containers": [{"image": "a:1"}]}),
        "SRV164", "patches[0].patch.spec.template.spec.containers[0]",
        "needs name, by which the items of this list are merged"),
    "an unknown directive": (
        of_pod({"securityContext": {"$patch": "merge"}}),
        "SRV164", "patches[0].patch.spec.template.spec.securityContext['$patch']",
        "must be delete or replace"),
    "a directive for a custom resource": (
        {"kind": "PodMonitor", "patch": {"spec": {"$patch": "replace"}}},
        "SRV164", "patches[0].patch.spec['$patch']", "has no meaning here: lists of this kind are replaced"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_at_its_line(case: str, tmp_path: Path) -> None:
    patch, id, field, message = REFUSED[case]
    with pytest.raises(BuildError) as caught:
        built(tmp_path, patch)
    problem = caught.value.problems[0]
    assert problem.id == id
    assert problem.field.replace("['$patch']", ".$patch") == field.replace("['$patch']", ".$patch")
    assert message in problem.message
    assert problem.location is not None
    lines = (tmp_path / "models/iris.yaml").read_text().splitlines()
    first = next(number for number, line in enumerate(lines, 1) if "patches:" in line)
    assert problem.location.line > first


def test_all_patches_of_all_models_are_told_at_once(tmp_path: Path) -> None:
    settings, services = load_settings(tmp_path), []
    for name in ("iris", "pets"):
        spec = load_spec(
            tmp_path / name, name=name,
            patches=[REFUSED["the name"][0], REFUSED["a kind that is not rendered"][0]],
        )  # fmt: skip
        from servestack.resolve.service import resolve_service

        services.append(resolve_service(spec, settings, lock_of(spec.value)))
    with pytest.raises(BuildError) as caught:
        build_manifests(settings.value, "stacks/prod.yaml", services)
    assert [problem.id for problem in caught.value.problems] == ["SRV163", "SRV162"] * 2


@pytest.mark.parametrize(
    "patch",
    [{"kind": "deployment", "patch": {"a": 1}}, {"kind": "Deployment", "patch": {}},
     {"kind": "Deployment"}, {"kind": "Deployment", "patch": "a"}, {"patch": {"a": 1}},
     {"kind": "Deployment", "patch": {"a": 1}, "more": 1}],
)  # fmt: skip
def test_a_patch_is_typed(patch: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(SpecError):
        load_spec(tmp_path, patches=[patch])


INVALID: dict[str, tuple[dict[str, Any], str, str]] = {
    "an unknown field": (of_pod({"hostAlias": []}), "hostAlias: []", "unknown field hostAlias"),
    "a wrong type": (
        of_pod({"terminationGracePeriodSeconds": "long"}),
        "terminationGracePeriodSeconds: long", "must be a whole number"),
    "in an item of a list": (
        of_server({"stdin": "yes"}), 'stdin: "yes"', "must be true or false"),
    "a required field that is removed": (
        of_pod({"containers": [{"name": "proxy", "args": ["a"], "name2": "x"}]}),
        "name2: x", "unknown field name2"),
    "a whole section": (of_pod({"containers": "server"}), "containers: server", "must be a list"),
    "a custom resource": (
        {"kind": "PodMonitor", "patch": {"spec": {"podMetricsEndpoints": [{"portt": "http"}]}}},
        "portt: http", "unknown field portt"),
}  # fmt: skip


@pytest.mark.parametrize("case", INVALID)
def test_a_result_that_the_schema_refuses_is_told_at_the_patch(case: str, tmp_path: Path) -> None:
    patch, line, message = INVALID[case]
    service = resolved(tmp_path, {"patches": [ALIASES, patch]})
    found = [f for f in findings(service, tmp_path) if f.id == "SRV501"]
    assert any(message in finding.message for finding in found)
    assert line in {line_of(finding) for finding in found}
    assert all(finding.field == "patches" for finding in found)


@pytest.mark.parametrize(
    ("patch", "id"),
    [
        (of_server({"livenessProbe": NULL}), "SRV605"),
        (of_server({"securityContext": {"allowPrivilegeEscalation": True}}), "SRV601"),
        (of_pod({"automountServiceAccountToken": True}), "SRV601"),
        (of_pod({"terminationGracePeriodSeconds": 3}), "SRV606"),
        (of_pod({"containers": [{"name": "proxy", "image": "a:1"}]}), "SRV602"),
        ({"kind": "Deployment", "patch": {"spec": {"replicas": 3}}}, "SRV603"),
        (of_server({"env": [{"name": "A", "value": "b"}]}), "SRV646"),
    ],
)
def test_the_policy_reads_what_the_patch_left(
    patch: dict[str, Any], id: str, tmp_path: Path
) -> None:
    service = resolved(tmp_path, {"patches": [patch]})
    assert id in {finding.id for finding in findings(service, tmp_path)}


@pytest.mark.parametrize(
    "patch",
    [of_server({"env": [{"name": "DB_PASSWORD", "value": "hunter2-hunter2"}]}),
     of_server({"args": ["--token", "hunter2-hunter2"]}),
     of_server({"command": ["sh", "-c", "TOKEN=hunter2-hunter2 run"]}),
     {"kind": "Service", "patch": {"metadata": {"annotations": {"a/password": "hunter2-hunter2"}}}},
     {"kind": "ConfigMap", "name": "iris-filebeat",
      "patch": {"data": {"a.yml": "url: redis://:hunter2-hunter2@redis"}}}],
)  # fmt: skip
def test_a_patch_brings_no_secret_in(patch: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"SRV107 patches\[0\]") as caught:
        load_spec(tmp_path, patches=[patch])
    assert "hunter2" not in str(caught.value)


def test_the_diff_says_which_line_a_field_comes_from(tmp_path: Path) -> None:
    old = build_service_manifests(resolved(tmp_path / "old", {"replicas": 2}))
    spec = {"replicas": 3, "patches": [ALIASES, of_server({"env": [{"name": "A", "value": "b"}]})]}
    new = build_service_manifests(resolved(tmp_path, spec))
    lines = (tmp_path / "models/iris.yaml").read_text().splitlines()
    for before, after in ((old, new), (new, old)):
        result = review("prod", "rendered/prod", before, after)
        data = json.loads(reports.to_json(result))
        (deployment,) = data["models"][0]["objects"]
        at = {field["path"]: field.get("patchedAt") for field in deployment["fields"]}
        written = {
            path: lines[int(place.rsplit(":", 2)[1]) - 1].strip(" -")
            for path, place in at.items()
            if place
        }
        assert written == {
            "spec.template.spec.hostAliases": "hostAliases:",
            "spec.template.spec.containers[server].env[A]": "name: A",
        }
        assert at["spec.replicas"] is None
        for text in (reports.to_text(result), reports.to_github(result)):
            assert text.count("; by the patch at ") == 2


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose model is patched in prod."""
    import shutil

    for folder in ("models", "stacks"):
        shutil.copytree(REPOSITORY / folder, tmp_path / folder)
    spec = tmp_path / "models/iris.yaml"
    spec.write_text(
        spec.read_text()
        + "patches:\n- kind: Deployment\n  patch:\n    spec:\n      template:\n        spec:\n"
        "          hostAliases: [{ip: 10.0.0.1, hostnames: [a.example.com]}]\n"
    )
    return tmp_path


def test_explain_names_the_patch_of_a_field(project: Path) -> None:
    def servestack(*arguments: str) -> str:
        return subprocess.run(
            [Path(sys.executable).with_name("servestack"), *arguments],
            cwd=project, check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip

    line = len((project / "models/iris.yaml").read_text().splitlines())
    told = f"Deployment/iris: spec.template.spec.hostAliases  (patch, models/iris.yaml:{line}:11)"
    assert told in servestack("explain", "iris", "prod").splitlines()
    assert told in servestack("explain", "iris", "prod", "patches").splitlines()
    assert told not in servestack("explain", "iris", "prod", "resources.cpu")
    servestack("render", "prod")
    file = "rendered/prod/iris/deployment-iris.yaml"
    assert "patched by models/iris.yaml patches[0]" in servestack("explain", file)


def test_pulumi_declares_the_patched_objects(project: Path) -> None:
    from servestack.review.gate import build_checked

    wanted = {
        manifest.path.removesuffix(".yaml"): manifest.body
        for manifest in build_checked(project, "prod").manifests
    }
    assert "hostAliases" in json.dumps(wanted)
    (project / "stacks/__main__.py").unlink()
    assert declared(project, "prod") == wanted


def test_a_merge_leaves_no_null_and_no_directive() -> None:
    body = {"kind": "Deployment", "spec": {"a": [1], "b": {"c": 1}}}
    patch = {"spec": {"a": [{"x": None, "$patch": "y"}, None], "b": {"c": None}, "d": {"e": None}}}
    assert merge_patch(body, patch) == {"kind": "Deployment", "spec": {"a": [], "b": {}, "d": {}}}


@pytest.mark.parametrize(
    "patch",
    [{"metadata": {"finalizers": [{"a": 1}]}},
     {"spec": {"$retainKeys": "type"}}, {"spec": {"$retainKeys": ["a"], "b": 1}},
     {"spec": {"$setElementOrder/args": ["a"]}},
     {"spec": {"template": {"spec": {"containers": ["server"]}}}}],
)  # fmt: skip
def test_a_patch_that_makes_no_sense(patch: dict[str, Any]) -> None:
    body = {
        "kind": "Deployment",
        "metadata": {"finalizers": ["a"]},
        "spec": {"template": {"spec": {"containers": [{"name": "server"}]}}},
    }
    with pytest.raises(MergeError):
        merge_patch(body, patch)
