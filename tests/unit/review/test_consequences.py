"""What a reviewer is told first: an edit of a spec or an environment, its words, its category."""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest

from servestack.manifests.assemble import build_manifests
from servestack.manifests.manifest import Manifest
from servestack.review import reports
from servestack.review.effects import CATEGORIES, settings
from servestack.review.effects.environment import environment_changes
from servestack.review.summary import Review, review
from servestack.spec.environment import Environment
from servestack_contract.settings import Section, ServerSettings
from tests.support.services import ARTIFACT, NULL, load_settings, resolved
from tests.unit.review.bodies import config_map, deployment, manifest, reviewed

Data = dict[str, Any]

KEYS: Data = {"api": {"auth": {"apiKeys": {"secret": "keys"}}}}
REDACTED: Data = {"logging": {"predictions": {"redact": {"email": "hash"}}}}
EXPERIMENT: Data = {
    "experiment": {
        "metric": "feedback.clicked",
        "minimumEffect": 0.02,
        "stickyBy": "X-User",
        "variants": {
            "old": {"version": "3", "share": 50},
            "new": {"version": "4", "share": 50},
        },
    }
}
STRIMZI: Data = {"managedBy": "strimzi", "cluster": "events", "namespace": "kafka"}
KAFKA_BY_TLS: Data = {
    "kafka": {
        "brokers": ["kafka:9093"],
        "security": {
            "credentials": {"secret": "kafka"},
            "ca": {"secret": "kafka-ca", "key": "ca.crt"},
        },
    }
}


def manifests(
    folder: Path, spec: Data, environment: Data, artifact: Data | None = None
) -> tuple[Manifest, ...]:
    service = resolved(folder, spec, environment, artifact)
    return build_manifests(service.environment, "stacks/prod.yaml", [service])


def found(result: Review) -> dict[str, str]:
    """Category of each effect by its words."""
    return {
        effect.words: effect.category for group in result.groups for effect in group.categorised
    }


def by_spec(before: Data, after: Data, tmp_path: Path) -> Review:
    columns = [{"name": name, "type": "string"} for name in ("email", "country")]
    artifact = {"signature": {"inputs": columns}}
    old = manifests(tmp_path / "old", before, {}, artifact)
    return review("prod", "rendered/prod", old, manifests(tmp_path / "new", after, {}, artifact))


@pytest.mark.parametrize(
    ("before", "after", "category", "words"),
    [
        pytest.param(KEYS, {}, "security", "anyone who can reach the service may call it: no API "
                     "key is asked for any more", id="diff-auth-removed"),
        pytest.param({}, KEYS, "data", "callers must send an API key", id="auth-added"),
        pytest.param(KEYS, {"api": {"auth": {"apiKeys": {"secret": "others"}}}}, "security",
                     "API keys are read from Secret others instead of keys", id="auth-secret"),
        pytest.param(REDACTED, {}, "security", "email is logged in clear text",
                     id="diff-redaction-removed"),
        pytest.param({"logging": {"predictions": {"redact": {"email": "drop"}}}}, REDACTED,
                     "security", "email is logged as a hash, and was left out before",
                     id="redaction-weakened"),
        pytest.param({}, REDACTED, "data", "email is logged as a hash", id="redaction-added"),
        pytest.param({}, {"trust": {"pickle": True, "code": True}}, "security",
                     "Python code from the artifact runs in the pod", id="diff-trust-added"),
        pytest.param({}, {"trust": {"pickle": True}}, "security",
                     "pickle files of the artifact are loaded, which can run code of their author",
                     id="trust-pickle"),
        pytest.param({}, {"trust": {"skopsTypes": ["numpy.dtype"]}}, "security",
                     "objects of type numpy.dtype are loaded from the artifact", id="trust-skops"),
        pytest.param({"trust": {"code": True}}, {}, "availability",
                     "an artifact that needs this trust no longer loads", id="trust-removed"),
        pytest.param({"logging": {"predictions": {"sample": 0.1}}}, {}, "security",
                     "more predictions are logged: 10%→100% of the requests", id="logged-in-full"),
        pytest.param({}, {"logging": {"predictions": {"sample": 0.1}}}, "data",
                     "fewer predictions are logged: 100%→10% of the requests", id="sampled"),
        pytest.param({"logging": {"predictions": NULL}}, REDACTED, "security",
                     "rows of requests and answers of 100% of the requests are logged, with email "
                     "redacted", id="logging-on"),
        pytest.param({}, {"logging": {"predictions": NULL}}, "data",
                     "predictions are no longer logged", id="logging-off"),
        pytest.param({}, EXPERIMENT, "security",
                     "a hash of X-User is logged with each prediction, for an experiment",
                     id="unit-logged"),
        pytest.param(EXPERIMENT, {}, "data",
                     "no hash of a caller's key is logged any more: an experiment cannot tell callers "
                     "apart", id="unit-no-longer-logged"),
        pytest.param(EXPERIMENT, {"experiment": EXPERIMENT["experiment"] | {"stickyBy": "X-Org"}},
                     "security", "events have the hash of another header or column: X-User→X-Org",
                     id="unit-moved"),
        pytest.param({"logging": {"predictions": {"inputs": False}}}, {}, "security",
                     "the rows of requests are logged", id="inputs-logged"),
        pytest.param({}, {"logging": {"topicPrefix": "growth"}}, "data",
                     "events go to topic growth.iris.predictions: consumers of "
                     "servestack.iris.predictions receive no more", id="topic-renamed"),
        pytest.param({}, {"api": {"cors": {"origins": ["*"]}}}, "security",
                     "browsers of any origin may call", id="cors-opened"),
        pytest.param({}, {"api": {"limits": {"maxBody": "64Mi"}}}, "security",
                     "a body may be larger: 4 MiB→64 MiB", id="bodies-larger"),
        pytest.param({}, {"api": {"limits": {"maxBody": "1Mi"}}}, "data",
                     "larger bodies are refused: 4 MiB→1 MiB", id="bodies-smaller"),
        pytest.param({}, {"api": {"limits": {"maxRows": 20000}}}, "security",
                     "a request may have more rows: 10000→20000", id="rows-raised"),
        pytest.param({}, {"api": {"limits": {"timeoutSeconds": 5}}}, "availability",
                     "requests are given up sooner: 30 s→5 s", id="timeout-lowered"),
        pytest.param({}, {"service": {"callers": ["growth"]}}, "security",
                     "pods of namespace growth may call (TCP 8080)", id="callers-opened"),
        pytest.param({"service": {"callers": ["growth"]}}, {}, "availability",
                     "pods of namespace growth may no longer call (TCP 8080)", id="callers-closed"),
        pytest.param({}, {"egress": [{"cidr": "0.0.0.0/0", "ports": [80, 443]}]}, "security",
                     "the pods may reach any address except 169.254.0.0/16 (TCP 443, TCP 80)", id="egress-opened"),
        pytest.param({"ingress": {"enabled": False}}, {}, "security",
                     "the model gets a public address", id="ingress-added"),
        pytest.param({"ingress": {"enabled": False}}, {}, "security",
                     "callers from outside the cluster need no API key", id="ingress-without-key"),
        pytest.param({}, {"ingress": {"host": "a.example.com"}}, "security",
                     "a.example.com/v1/iris is published", id="host-new"),
        pytest.param({}, {"ingress": {"host": "a.example.com"}}, "availability",
                     "iris.example.com/v1/iris no longer answers", id="host-old"),
        pytest.param({"ingress": {"tls": {"secret": "tls"}}}, {}, "security",
                     "iris.example.com is reached without TLS", id="tls-removed"),
        pytest.param(
            {"ingress": {"annotations":
                         {"nginx.ingress.kubernetes.io/whitelist-source-range": "10.0.0.0/8"}}},
            {}, "security", "the controller's setting "
            "nginx.ingress.kubernetes.io/whitelist-source-range is removed", id="source-ranges"),
        pytest.param({}, {"image": {"repository": "example.net/serving", "tag": "1.0"}}, "security",
                     "runs an image of another repository: registry.example.com/serving→"
                     "example.net/serving", id="image-elsewhere"),
        pytest.param({}, {"env": [{"name": "T", "valueFrom": {"secret": "s", "key": "k"}}]},
                     "security", "variable T is read from Secret s", id="secret-read"),
        pytest.param({}, {"env": [{"name": "MODE", "value": "fast"}]}, "data",
                     "variable MODE is set", id="variable"),
        pytest.param({"monitoring": {"drift": {"maxColumns": 9}}},
                     {"monitoring": {"drift": {"maxColumns": 9, "rowsPerSecond": 20_000}}}, "none",
                     "rows that a pod counts for drift per second: 1000→20000", id="drift-rows"),
        pytest.param({}, {"monitoring": {"slo": NULL}}, "availability",
                     "alert ModelServiceErrors is removed", id="alert-removed"),
        pytest.param({"replicas": 6}, {"autoscaling": {"min": 3, "max": 9}}, "availability",
                     "an apply drops 6 pods to 1 at once, until the autoscaler raises them: run "
                     "`servestack handover` first, which keeps the count (`servestack up` does so "
                     "itself)", id="replicas-to-autoscaling"),
        pytest.param({"autoscaling": {"min": 3, "max": 9}}, {"replicas": 6}, "availability",
                     "capacity is fixed at 6", id="autoscaling-to-replicas"),
        pytest.param({"api": {"basePath": "/v1/a"}}, {"api": {"basePath": "/v1/b"}}, "availability",
                     "callers use the path /v1/a→/v1/b", id="path"),
        pytest.param({}, {"description": "New."}, "none",
                     "the description on the Swagger page changes", id="description"),
        pytest.param({}, {"resources": {"cpu": "1"}}, "restart", "pods restart, one at a time",
                     id="restart"),
    ],
)  # fmt: skip
def test_a_changed_spec(
    before: Data, after: Data, category: str, words: str, tmp_path: Path
) -> None:
    result = by_spec(before, after, tmp_path)
    assert found(result).get(words) == category, found(result)
    if category == "security":
        first = reports.to_text(result).splitlines()
        assert f"security: iris: {words}" in first[: first.index("")]
        assert json.loads(reports.to_json(result))["categories"][0] == "security"
        assert "> [!CAUTION]\n> **Security**\n" in reports.to_github(result)
    else:
        assert f"security: iris: {words}" not in reports.to_text(result)


@pytest.mark.parametrize(
    ("before", "after", "category", "words"),
    [
        pytest.param(KAFKA_BY_TLS, {"kafka": {"security": {"protocol": "PLAINTEXT",
                     "credentials": None, "ca": None}}}, "security",
                     "events go to Kafka without TLS: anyone on the way can read them",
                     id="kafka-tls-off"),
        pytest.param(KAFKA_BY_TLS, {"kafka": {"security": {"protocol": "PLAINTEXT",
                     "credentials": None, "ca": None}}}, "security",
                     "Filebeat no longer logs in to Kafka", id="kafka-login-off"),
        pytest.param(KAFKA_BY_TLS, {}, "security",
                     "brokers are trusted if any authority of Filebeat's image has signed them",
                     id="kafka-ca"),
        pytest.param({}, {"kafka": {"security": {"mechanism": "PLAIN"}}}, "security",
                     "Filebeat sends its password to the brokers itself: SCRAM-SHA-512→PLAIN",
                     id="kafka-mechanism"),
        pytest.param({}, {"kafka": {"security": {"credentials": {"secret": "other"}}}}, "security",
                     "Kafka's user name and password are read from Secret other instead of kafka",
                     id="kafka-secret"),
        pytest.param({}, {"kafka": {"brokers": ["elsewhere:9093"]}}, "data",
                     "events go to broker elsewhere:9093 instead of kafka:9093", id="brokers"),
        pytest.param({}, {"kafka": None, "network": {"kafka": None}}, "data",
                     "logs are no longer shipped", id="kafka-removed"),
        pytest.param({"kafka": {"topics": STRIMZI}}, {}, "data",
                     "the topic stays, with its events, and nobody manages it; once its KafkaTopic is "
                     "deleted by hand, Strimzi deletes both", id="topics-not-managed"),
        pytest.param({}, {"kafka": {"topics": STRIMZI}}, "data", "Strimzi makes the topic",
                     id="topics-managed"),
        pytest.param({"kafka": {"topics": STRIMZI}},
                     {"kafka": {"topics": STRIMZI | {"predictions": {"partitions": 4}}}}, "data",
                     "Strimzi refuses fewer partitions, and the topic keeps 6: 6→4",
                     id="fewer-partitions"),
        pytest.param({"kafka": {"topics": STRIMZI}},
                     {"kafka": {"topics": STRIMZI | {"predictions": {"partitions": 9}}}}, "data",
                     "events of one key go to another partition than before: 6→9",
                     id="more-partitions"),
        pytest.param({"kafka": {"topics": STRIMZI}},
                     {"kafka": {"topics": STRIMZI | {"predictions": {"retentionHours": 24}}}}, "data",
                     "Kafka deletes events that are older than 24 h, and kept them for 168 h",
                     id="retention-lowered"),
        pytest.param({"kafka": {"topics": STRIMZI}},
                     {"kafka": {"topics": STRIMZI | {"replicationFactor": 5}}}, "availability",
                     "copies of each event 3→5: Strimzi changes them with Cruise Control alone",
                     id="copies"),
        pytest.param({"kafka": {"topics": STRIMZI}},
                     {"kafka": {"topics": STRIMZI | {"minInSyncReplicas": 1}}}, "data",
                     "copies that hold an event before it counts as shipped: 2→1", id="in-sync"),
        pytest.param({"kafka": {"topics": STRIMZI}},
                     {"kafka": {"topics": STRIMZI | {"cluster": "other"}}}, "data",
                     "another Kafka gets the topic, and the events so far stay where they are: "
                     "events→other", id="other-kafka"),
        pytest.param({"kafka": {"topics": STRIMZI}},
                     {"kafka": {"topics": STRIMZI, "topicPrefix": "renamed"}}, "data",
                     "the topic stays, with its events, and nobody manages it; once its KafkaTopic is "
                     "deleted by hand, Strimzi deletes both", id="topic-renamed"),
        pytest.param({}, {"podSecurity": "baseline"}, "security",
                     "the namespace admits pods with more rights: restricted→baseline",
                     id="pod-security"),
        pytest.param({}, {"createNamespace": False}, "security",
                     "the namespace stays, without its labels", id="namespace"),
        pytest.param({}, {"network": {"policy": False}}, "security",
                     "pods without a policy of their own may reach and be reached by all",
                     id="policies-off"),
        pytest.param({}, {"network": {"artifactStore": None}}, "security",
                     "the pods may reach pods of every namespace (TCP 443)", id="store-anywhere"),
        pytest.param({"images": {"server": {"digest": f"sha256:{'a' * 64}"}}}, {}, "security",
                     "the image registry.example.com/serving is no longer pinned by digest",
                     id="digest-removed"),
        pytest.param({}, {"fetch": {"secret": "s3"}}, "security",
                     "every key of Secret s3 becomes a variable of the container", id="fetch"),
        pytest.param({}, {"grafana": {"folder": "Other"}}, "none", "no effect on traffic",
                     id="folder"),
    ],
)  # fmt: skip
def test_a_changed_environment(
    before: Data, after: Data, category: str, words: str, tmp_path: Path
) -> None:
    old, new = manifests(tmp_path / "old", {}, before), manifests(tmp_path / "new", {}, after)
    result = review("prod", "rendered/prod", old, new)
    assert found(result).get(words) == category, found(result)


@pytest.mark.parametrize(
    ("artifact", "words"),
    [
        ({"sha256": "cd" * 32}, "version 3 of iris has other content than before"),
        (
            {"sha256": ""},
            "the artifact of iris is fetched without a check of its digest",
        ),
        (
            {"source": "s3://elsewhere/iris/3"},
            "the artifact of iris is fetched from another place: s3://models→s3://elsewhere",
        ),
    ],
)
def test_a_changed_lock(artifact: Data, words: str, tmp_path: Path) -> None:
    old = manifests(tmp_path / "old", {}, {})
    new = manifests(tmp_path / "new", {}, {}, artifact)
    assert found(review("prod", "HEAD", old, new)).get(words) == "security"


def test_another_version_is_no_matter_of_security(tmp_path: Path) -> None:
    old = manifests(tmp_path / "old", {}, {})
    moved = {"version": "4", "sha256": "cd" * 32, "source": "s3://models/iris/4"}
    result = review("prod", "HEAD", old, manifests(tmp_path / "new", {}, {}, moved))
    assert found(result)["serves version 3→4"] == "data"
    assert "security" not in result.categories
    assert ARTIFACT["version"] == "3"


Pod = dict[str, Any]


def pod(body: Data) -> Pod:
    spec: Pod = body["spec"]["template"]["spec"]
    return spec


def server(body: Data) -> Data:
    container: Data = pod(body)["containers"][0]
    return container


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda b: pod(b)["securityContext"].pop("runAsNonRoot"), "the pods may run as root"),
        (lambda b: pod(b).pop("securityContext"), "the pods may run as root"),
        (lambda b: pod(b).pop("securityContext"), "system calls are no longer filtered (seccomp)"),
        (lambda b: pod(b)["securityContext"].update(runAsUser=0), "the processes run as root"),
        (
            lambda b: pod(b).pop("automountServiceAccountToken"),
            "get a token for the Kubernetes API",
        ),
        (
            lambda b: b["spec"]["template"]["metadata"]["annotations"].update(
                {"sidecar.istio.io/inject": "false"}
            ),
            "what a mesh or a node does with the pods changes: sidecar.istio.io/inject is set",
        ),
        (lambda b: pod(b).update(hostNetwork=True), "the pods share their node: hostNetwork"),
        (
            lambda b: pod(b).update(serviceAccountName="admin"),
            "the pods get other rights: service account iris→admin",
        ),
        (
            lambda b: pod(b)["volumes"].append({"name": "x", "hostPath": {"path": "/etc"}}),
            "the pods see /etc of their node",
        ),
        (
            lambda b: pod(b)["volumes"].append({"name": "x", "secret": {"secretName": "s"}}),
            "the pods read Secret s",
        ),
        (
            lambda b: pod(b)["containers"].append({"name": "shell", "image": "busybox"}),
            "container shell is added, with image busybox",
        ),
        (
            lambda b: pod(b)["containers"].append(
                {"name": "shell", "image": "busybox", "securityContext": {"privileged": True}}
            ),
            "a container has every right on its node",
        ),
        (
            lambda b: server(b)["securityContext"].pop("allowPrivilegeEscalation"),
            "processes may gain privileges",
        ),
        (
            lambda b: server(b)["securityContext"].update(privileged=True),
            "a container has every right on its node",
        ),
        (
            lambda b: server(b)["securityContext"].update(readOnlyRootFilesystem=False),
            "processes may write to the image's file system",
        ),
        (
            lambda b: server(b)["securityContext"]["capabilities"].update(add=["NET_ADMIN"]),
            "containers get capability NET_ADMIN",
        ),
        (
            lambda b: server(b)["securityContext"].pop("capabilities"),
            "containers keep capabilities of root",
        ),
    ],
)
def test_weaker_pods(edit: Callable[[Data], Any], words: str, tmp_path: Path) -> None:
    old = manifests(tmp_path, {}, {})
    new = edited(old, "Deployment", edit)
    matching = [c for w, c in found(review("prod", "HEAD", old, new)).items() if words in w]
    assert matching == ["security"]
    # The way back is no finding.
    assert (
        "security" not in review("prod", "HEAD", new, old).categories
        or "admin" in words
        or "mesh" in words
    )


def edited(
    old: tuple[Manifest, ...], kind: str, edit: Callable[[Data], Any]
) -> tuple[Manifest, ...]:
    new = tuple(replace(m, body=deepcopy(m.body)) for m in old)
    edit(next(m.body for m in new if m.kind == kind))
    return new


@pytest.mark.parametrize(
    ("kind", "edit", "words"),
    [
        ("Deployment", lambda b: b["spec"].pop("strategy"), "pods missing in a rollout falls back"),
        (
            "Deployment",
            lambda b: pod(b).pop("terminationGracePeriodSeconds"),
            "the time that a pod has to stop falls back to the API's default: 30 s",
        ),
        ("Deployment", lambda b: server(b)["resources"].pop("limits"), "no limit any more"),
        ("Deployment", lambda b: server(b).pop("resources"), "the cluster reserves nothing"),
        ("Deployment", lambda b: server(b).pop("readinessProbe"), "takes requests is removed"),
        ("Deployment", lambda b: server(b).pop("lifecycle"), "no longer taken out of traffic"),
        (
            "HorizontalPodAutoscaler",
            lambda b: b["spec"].pop("metrics"),
            "falls back to the API's default: 80% CPU over all containers of a pod",
        ),
        (
            "HorizontalPodAutoscaler",
            lambda b: b["spec"].pop("minReplicas"),
            "minimum capacity falls back to the API's default: 1 pod",
        ),
        (
            "PodDisruptionBudget",
            lambda b: b["spec"].pop("maxUnavailable"),
            "a node drain may evict",
        ),
    ],
)
def test_fields_that_vanish(
    kind: str, edit: Callable[[Data], Any], words: str, tmp_path: Path
) -> None:
    old = manifests(tmp_path, {}, {})
    result = found(review("prod", "HEAD", old, edited(old, kind, edit)))
    assert {c for w, c in result.items() if words in w} == {"availability"}


def test_effects_of_several_fields_together_are_told_once(tmp_path: Path) -> None:
    result = by_spec({}, {"ingress": {"hosts": ["a.example.com", "b.example.com"]}}, tmp_path)
    text, github = reports.to_text(result), reports.to_github(result)
    for report, told in ((text, "(as above)"), (github, "@@ as above")):
        assert report.count(told) == 2  # The old host has gone, and two are new.
        assert report.index("; iris.example.com/v1/iris no longer answers") < report.index(told)


def test_a_host_that_is_gone_is_not_reached_without_tls(tmp_path: Path) -> None:
    tls = {"secret": "tls"}
    old = manifests(tmp_path, {"ingress": {"tls": tls}}, {})
    new = manifests(tmp_path, {"ingress": {"host": "a.example.com", "tls": tls}}, {})
    assert not [words for words in found(review("prod", "HEAD", old, new)) if "TLS" in words]


@pytest.mark.parametrize(
    ("old", "new", "category", "words"),
    [
        ({"requireOwner": True}, {}, "security", "models no longer need an owner"),
        ({}, {"requireArtifactDigest": False}, "security", "artifacts no longer need a digest"),
        ({"requireTls": True}, {}, "security", "models may be reached without TLS"),
        ({}, {"forbiddenFormats": []}, "security", "artifacts of format pickle may be served"),
        ({"minReplicas": 2}, {}, "availability", "models may run with fewer pods: 2→1"),
        ({}, {"requireTls": True}, "none", "a guard rail is stricter"),
        ({"forbiddenFormats": ["pickle", "skops"]}, {"forbiddenFormats": ["skops", "pickle"]}, "", ""),
    ],
)  # fmt: skip
def test_guard_rails_change_no_object_and_are_told(
    old: Data, new: Data, category: str, words: str, tmp_path: Path
) -> None:
    before = load_settings(tmp_path / "old", guardRails=old).value
    after = load_settings(tmp_path / "new", guardRails=new).value
    changes = environment_changes(before, after)
    assert [e.category for _, effects in changes for e in effects] == [category] * bool(category)
    assert all(e.words.startswith(words) for _, effects in changes for e in effects)
    assert environment_changes(after, after) == []


def test_settings_of_topics_that_no_object_shows_are_told(tmp_path: Path) -> None:
    kafka = {"brokers": ["kafka:9093"], "security": {"credentials": {"secret": "kafka"}}}

    def environment(name: str, **topics: Any) -> Environment:
        return load_settings(tmp_path / name, kafka=kafka | {"topics": topics}).value

    plain = environment("plain")
    shorter = environment("shorter", predictions={"retentionHours": 24})
    ((change, (effect,)),) = environment_changes(plain, shorter)
    assert change.field == "kafka.topics.predictions.retentionHours"
    assert effect.category == "data"
    assert effect.words == "`servestack topics --apply` changes how long Kafka keeps events"
    ((_, (effect,)),) = environment_changes(plain, environment("copies", replicationFactor=2))
    assert effect.words == "`servestack topics` shows which topics differ from these settings"
    # Objects show what Strimzi makes.
    strimzis = environment("strimzis", **STRIMZI)
    longer = environment("longer", **STRIMZI, predictions={"retentionHours": 24})
    assert environment_changes(strimzis, longer) == []


def test_a_new_model_with_code_of_its_own_says_so(tmp_path: Path) -> None:
    """There is nothing to compare a new object with; what it may do matters all the same."""
    new = manifests(tmp_path, {"trust": {"code": True}}, {}, {"sha256": ""})
    words = found(review("prod", "HEAD", (), new))
    assert words["Python code from the artifact runs in the pod"] == "security"
    assert words["the artifact of iris is fetched without a check of its digest"] == "security"
    assert words["callers from outside the cluster need no API key"] == "security"


def test_a_default_model_inside_the_cluster_opens_nothing(tmp_path: Path) -> None:
    new = manifests(tmp_path, {"ingress": {"enabled": False}}, {})
    assert "security" not in review("prod", "HEAD", (), new).categories


def settings_map(data: Data) -> Data:
    return config_map({"service.json": json.dumps(data)})


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ({}, {"trust": {"code": True}}, "Python code from the artifact runs in the pod"),
        ({}, {"limits": {"maxRows": 20000}}, "a request may have more rows: 10000→20000"),
        (
            {"events": {"predictions": {"redact": {"email": "drop"}}}},
            {"events": {"predictions": {}}},
            "email is logged in clear text",
        ),
        (
            {"events": {"predictions": {"sample": 0.5}}},
            {"events": {"predictions": {}}},
            "more predictions are logged: 50%→100% of the requests",
        ),
        ({"limits": {"maxRows": 5}}, {}, "a request may have more rows: 5→10000"),
    ],
)
def test_settings_that_are_left_out_have_their_defaults(old: Data, new: Data, words: str) -> None:
    assert found(reviewed(settings_map(old), settings_map(new))) == {words: "security"}


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ({}, {"durability": "buffered"}, "events of the last answers are lost if a server is killed: "
         "they are written after their answers"),
        ({"durability": "buffered"}, {}, "events are written before their answers"),
        ({"durability": "buffered"}, {"durability": "process"}, "events are written before their answers"),
    ],
)  # fmt: skip
def test_when_events_are_written_is_a_matter_of_data(old: Data, new: Data, words: str) -> None:
    change = reviewed(settings_map({"events": old}), settings_map({"events": new}))
    assert found(change) == {words: "data"}


def test_a_default_that_is_no_longer_written_out_changes_nothing() -> None:
    written = settings_map({"limits": {"maxRows": 10000}, "trust": {"code": False}, "name": "a"})
    assert reviewed(written, settings_map({"name": "a"})).categories == ("none",)
    assert reviewed(settings_map({"name": "a"}), written).categories == ("none",)


def test_security_stands_before_restarts(tmp_path: Path) -> None:
    result = by_spec(
        KEYS | {"replicas": 2}, {"replicas": 3, "logging": {"topicPrefix": "a"}}, tmp_path
    )
    (group,) = result.groups
    ranks = [CATEGORIES.index(effect.category) for effect in group.categorised]
    assert ranks == sorted(ranks)
    assert set(result.categories) >= {"security", "data", "availability", "restart"}


def test_an_image_of_the_same_repository_is_a_restart() -> None:
    result = reviewed(deployment(image="a/b:1"), deployment(image="a/b:2"))
    assert result.categories == ("restart", "none")


def test_what_is_not_a_change_has_no_category() -> None:
    same = [manifest(deployment())]
    assert review("prod", "HEAD", same, deepcopy(same)).categories == ()


def test_every_setting_of_the_server_has_its_words() -> None:
    """A field without a row would fall under "the server's settings change"."""
    missing = [
        path
        for path in paths(ServerSettings)
        if not any(row.field.search(path) for row in settings.ROWS)
    ]
    assert missing == []


def paths(section: type[Section], prefix: str = "") -> Iterator[str]:
    """The path of every field of the settings file, as a diff writes it."""
    hints = get_type_hints(section)
    for field in msgspec.structs.fields(section):
        path = f"{prefix}{field.encode_name}"
        if path == "graph":
            # Recursive: what changes inside it is one thing to its callers.
            yield "graph.kind"
            continue
        yield from of_type(hints[field.name], path)


def of_type(hint: Any, path: str) -> Iterator[str]:
    if isinstance(hint, type) and issubclass(hint, Section):
        # Elements hold elements: three levels stand for all.
        if path.count(".") < 4:
            yield from paths(hint, f"{path}.")
        return
    arguments = [a for a in get_args(hint) if a not in (type(None), Ellipsis)]
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        for argument in arguments:
            yield from of_type(argument, path)
    elif origin is tuple:
        inner = arguments[0]
        is_section = isinstance(inner, type) and issubclass(inner, Section)
        yield f"{path}[0]"
        if is_section:
            yield from of_type(inner, f"{path}[0]")
    elif origin is dict:
        yield f"{path}.key"
    else:
        yield path
