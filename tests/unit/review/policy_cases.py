"""For each rule of the policy a model that keeps it and one that breaks it.

A case is (spec, environment, artifact, manifest edit): what is laid over tests.support.services,
and a change of the built manifests for what no spec can say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from servestack.manifests.manifest import Manifest
from servestack_contract.loading import Loading
from servestack_contract.stock_image import packages_in
from tests.support.services import NULL
from tests.support.whole_pods import ENVIRONMENT as WHOLE
from tests.support.whole_pods import SPEC

GATEWAY = {
    "ingress": {"kind": "gateway", "name": "g", "namespace": "g", "hostSuffix": "example.com"}
}
OWN_CERTIFICATE = {
    "ingress": {"hosts": ["a.example.com", {"host": "b.example.com", "tls": {"secret": "b-tls"}}]}
}

IN_FLIGHT = {"autoscaling": {"inFlightPerPod": 8}}
BY_KEDA = {
    "metrics": {"customMetrics": "keda", "keda": {"serverAddress": "http://prometheus:9090"}}
}

Edit = Callable[[dict[str, Manifest]], None]


def nothing(manifests: dict[str, Manifest]) -> None:
    """Leave the manifests as they are built."""


@dataclass(frozen=True)
class Case:
    spec: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    artifact: dict[str, Any] = field(default_factory=dict)
    edit: Edit = nothing


def pod(manifests: dict[str, Manifest]) -> dict[str, Any]:
    spec: dict[str, Any] = manifests["Deployment"].body["spec"]["template"]["spec"]
    return spec


def server(manifests: dict[str, Manifest]) -> dict[str, Any]:
    container: dict[str, Any] = pod(manifests)["containers"][0]
    return container


def allow_escalation(manifests: dict[str, Manifest]) -> None:
    server(manifests)["securityContext"]["allowPrivilegeEscalation"] = True


def drop_limits(manifests: dict[str, Manifest]) -> None:
    del server(manifests)["resources"]["limits"]["memory"]


def set_replicas(manifests: dict[str, Manifest]) -> None:
    manifests["Deployment"].body["spec"]["replicas"] = 3


def select_version(manifests: dict[str, Manifest]) -> None:
    manifests["Deployment"].body["spec"]["selector"]["matchLabels"]["servestack.dev/version"] = "3"


def same_probes(manifests: dict[str, Manifest]) -> None:
    server(manifests)["livenessProbe"] = server(manifests)["readinessProbe"]


def short_grace(manifests: dict[str, Manifest]) -> None:
    pod(manifests)["terminationGracePeriodSeconds"] = 5


def literal_password(manifests: dict[str, Manifest]) -> None:
    server(manifests)["env"].append({"name": "DB_PASSWORD", "value": "hunter2"})


def other_namespace(manifests: dict[str, Manifest]) -> None:
    manifests["Service"].body["metadata"]["namespace"] = "default"


def node_volume(manifests: dict[str, Manifest]) -> None:
    pod(manifests)["volumes"].append({"name": "a", "hostPath": {"path": "/"}})


DIGEST = "sha256:" + "cd" * 32
SERVER = {"repository": "registry.example.com/serving", "digest": DIGEST}
EMPTY: dict[str, Any] = {"name": "extra", "emptyDir": {}}
GPU: dict[str, Any] = {"resources": {"gpu": {"count": 1}}}
FILEBEAT = {"repository": "registry.example.com/filebeat", "digest": DIGEST}
PINNED = {"images": {"server": SERVER, "filebeat": FILEBEAT}}

PATCHED = {"patches": [{"kind": "Service", "patch": {"spec": {"sessionAffinity": "ClientIP"}}}]}
A_LENGTH = {"name": "sepal_length", "type": "double"}
A_WIDTH = {"name": "sepal_width", "type": "double"}
HERE = {"scikit-learn": packages_in("base")["scikit-learn"]}

KEYS: dict[str, Any] = {"api": {"auth": {"apiKeys": {"secret": "keys"}}}}
SHADOW: dict[str, Any] = {"shadow": {"artifact": "models:/iris@candidate"}}
ANSWERS_TEXT = {"inputs": [A_LENGTH, A_WIDTH], "outputs": [{"type": "string"}]}
ANSWERS_LONG = {"inputs": [A_LENGTH, A_WIDTH], "outputs": [{"type": "long"}]}

Pair = tuple[Case, Case]
CASES: dict[str, Pair] = {
    "SRV540": (Case(spec={"labels": {"team": "growth"}, "annotations": {"team": "growth"}}),
               Case(spec={"labels": {"release": "ours"}},
                    environment={"prometheus": {"labels": {"release": "theirs"}}})),
    "SRV541": (Case(spec={"annotations": {"prometheus.io/scrape": "false"}}),
               Case(spec={"annotations": {"prometheus.io/scrape": "false"}},
                    environment={"prometheus": {"style": "annotations"}})),
    "SRV601": (Case(), Case(edit=allow_escalation)),
    "SRV602": (Case(), Case(edit=drop_limits)),
    "SRV603": (Case(), Case(edit=set_replicas)),
    "SRV604": (Case(), Case(edit=select_version)),
    "SRV605": (Case(), Case(edit=same_probes)),
    "SRV606": (Case(), Case(edit=short_grace)),
    "SRV607": (Case(), Case(edit=literal_password)),
    "SRV608": (Case(), Case(edit=other_namespace)),
    "SRV621": (Case(), Case(artifact={"sha256": ""})),
    "SRV622": (Case(spec={"trust": {"pickle": True}}, artifact={"format": "pickle"}),
               Case(artifact={"format": "pickle"})),
    "SRV623": (Case(), Case(artifact={"source": "file:///home/me/model"})),
    "SRV624": (Case(), Case(artifact={"signature": None})),
    "SRV625": (Case(spec={"api": {"outputs": ["probabilities"]}}, artifact={"flavor": "onnx"}),
               Case(spec={"api": {"outputs": ["probabilities"]}}, artifact={"flavor": "sklearn"})),
    "SRV626": (Case(), Case(artifact={"source": "ftp://models.example.com/iris"})),
    "SRV627": (Case(spec={"trust": {"pickle": True}}, artifact={"loading": Loading(trust="pickle")}),
               Case(artifact={"loading": Loading(trust="pickle")})),
    "SRV628": (Case(spec={"api": {"input": {"example": [[5.1, 3.5]]}}}),
               Case(spec={"api": {"input": {"example": [[5.1]]}}})),
    "SRV629": (Case(spec={"api": {"input": {"columns": [A_LENGTH, A_WIDTH]}}}),
               Case(spec={"api": {"input": {"columns": [A_LENGTH]}}})),
    "SRV630": (Case(spec={"runtime": "onnx"}), Case(spec={"runtime": "onnx"}, artifact={"flavor": "catboost"})),
    "SRV631": (Case(), Case(artifact={"flavor": "catboost"})),
    "SRV632": (Case(artifact={"loading": Loading(packages=HERE)}),
               Case(artifact={"loading": Loading(packages={"scikit-learn": "1.0.2"})})),
    "SRV633": (Case(), Case(artifact={"archived": True})),
    "SRV634": (Case(), Case(artifact={"loading": None})),
    "SRV635": (Case(artifact={"size_bytes": 100 << 20}), Case(artifact={"size_bytes": 900 << 20})),
    "SRV636": (Case(spec={"logging": {"whenFull": "unready"}}),
               Case(spec={"logging": {"whenFull": "unready", "durability": "buffered"}})),
    "SRV638": (Case(), Case(environment={"kafka": {"topics": {"replicationFactor": 1}}})),
    "SRV639": (Case(environment={"prometheus": {"labels": {"release": "kube-prometheus-stack"}}}),
               Case(environment={"prometheus": {"labels": None}})),
    "SRV641": (Case(environment={"guardRails": {"minReplicas": 2}}),
               Case(environment={"guardRails": {"minReplicas": 3}})),
    "SRV642": (Case(environment=PINNED | {"guardRails": {"requireImageDigest": True}}),
               Case(spec={"image": {"repository": "a/b", "tag": "latest"}})),
    "SRV643": (Case(spec={"owner": "ml"}, environment={"guardRails": {"requireOwner": True}}),
               Case(environment={"guardRails": {"requireOwner": True}})),
    "SRV644": (Case(spec={"ingress": {"tls": {"secret": "a"}}},
                    environment={"guardRails": {"requireTls": True}}),
               Case(environment={"guardRails": {"requireTls": True}})),
    "SRV645": (Case(spec=PATCHED, environment={"guardRails": {"maxPatches": 1}}),
               Case(spec=PATCHED, environment={"guardRails": {"maxPatches": 0}})),
    "SRV646": (Case(), Case(spec=PATCHED)),
    "SRV637": (Case(spec=IN_FLIGHT, environment=BY_KEDA),
               Case(spec=IN_FLIGHT, environment=BY_KEDA | {"prometheus": None, "grafana": None})),
    "SRV640": (Case(spec=IN_FLIGHT, environment=BY_KEDA),
               Case(spec=IN_FLIGHT | {"monitoring": {"scrapeIntervalSeconds": 15}},
                    environment=BY_KEDA)),
    "SRV661": (Case(spec={"autoscaling": {"inFlightPerPod": 4}},
                    environment={"metrics": {"customMetrics": "prometheus-adapter"}}),
               Case(spec={"autoscaling": {"inFlightPerPod": 4}})),
    "SRV662": (
        Case(
            spec={"rollout": {"strategy": "canary"}},
            environment={
                "rollouts": {"engine": "argo", "prometheusAddress": "http://prometheus:9090"}
            },
        ),
        Case(spec={"rollout": {"strategy": "blueGreen"}}),
    ),
    "SRV663": (Case(), Case(environment={"kafka": {"maxMessage": "512Ki"}})),
    "SRV664": (Case(), Case(environment={"kafka": None, "network": {"kafka": None}})),
    "SRV665": (Case(), Case(environment={"network": {"policy": False}})),
    "SRV666": (Case(), Case(spec={"replicas": 1})),
    "SRV667": (Case(), Case(spec={"monitoring": {"slo": NULL}})),
    "SRV690": (
        Case(spec={"monitoring": {"drift": True}}, artifact={"profile": True}),
        Case(spec={"monitoring": {"drift": {"psi": 0.2}}}),
    ),
    "SRV700": (
        Case(spec=SHADOW),
        Case(spec=SHADOW, artifact={"shadow": {"signature": {"inputs": [A_LENGTH]}}}),
    ),
    "SRV701": (
        Case(spec=SHADOW),
        Case(spec=SHADOW, artifact={"signature": ANSWERS_LONG, "shadow": {"signature": ANSWERS_TEXT}}),
    ),
    "SRV702": (
        Case(spec=SHADOW | KEYS),
        Case(spec=SHADOW | KEYS, environment={"network": {"policy": False}}),
    ),
    "SRV703": (Case(spec=SHADOW), Case(spec=SHADOW, artifact={"shadow": {"sha256": "ab" * 32}})),
    "SRV704": (Case(spec=SHADOW), Case(spec={"shadow": SHADOW["shadow"] | {"replicas": 0}})),
    "SRV668": (Case(spec={"autoscaling": {"cpuPercent": NULL, "inFlightPerPod": 8}},
                    environment={"metrics": {"customMetrics": "prometheus-adapter"}}),
               Case(spec={"autoscaling": {"cpuPercent": NULL, "inFlightPerPod": 8}})),
    "SRV671": (Case(spec=SPEC, environment=WHOLE), Case(spec={"volumes": [EMPTY | {"mountPath": "/models/extra"}]})),
    "SRV672": (Case(spec={"rollout": {"maxSurge": 0, "maxUnavailable": 1}}),
               Case(spec={"replicas": 1, "rollout": {"maxSurge": 0, "maxUnavailable": 1}})),
    "SRV673": (Case(), Case(spec={"volumes": [{"name": "a", "mountPath": "/a",
                                               "image": {"repository": "a/b", "tag": "1"}}]})),
    "SRV674": (Case(spec=GPU | {"rollout": {"maxSurge": 0, "maxUnavailable": 1}}), Case(spec=GPU)),
    "SRV675": (Case(spec=GPU, artifact={"flavor": "pyfunc"}), Case(spec=GPU)),
    "SRV681": (Case(spec={"ingress": {"hosts": ["a.example.com"]}}, environment=GATEWAY),
               Case(spec={"ingress": {"tls": {"secret": "a"}}}, environment=GATEWAY)),
    "SRV682": (Case(spec=OWN_CERTIFICATE),
               Case(spec=OWN_CERTIFICATE, environment={"ingress": {"tls": {
                   "issuer": {"name": "letsencrypt"}}}})),
    "SRV683": (Case(), Case(spec={"api": {"input": {"columns": [
        {"name": f"{'<' * 150}{n}", "type": "double"} for n in range(300)]}}})),
    "SRV684": (Case(spec={"egress": [{"cidr": "0.0.0.0/0", "ports": [80]},
                                     {"cidr": "169.254.170.23/32", "ports": [80]}]}),
               Case(spec={"egress": [{"cidr": "169.254.0.0/16",
                                      "ports": [{"port": 1, "endPort": 99}]}]})),
    "SRV685": (Case(spec={"ingress": {"hosts": [
                        "iris.example.com", "*.example.com",
                        {"host": "iris.example.org", "tls": {"secret": "org-tls"}}]}},
                    environment={"ingress": {"tls": {"secret": "wildcard"}}}),
               Case(spec={"ingress": {"host": "a.iris.example.com"}},
                    environment={"ingress": {"tls": {"secret": "wildcard"}}})),
}  # fmt: skip
