"""The general words of each kind of object. The first row that fits stands for a change."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from servestack.manifests import names
from servestack.manifests.access import SOLVER_LABEL
from servestack.manifests.kinds import KINDS
from servestack.manifests.manifest import Body
from servestack.review.diff import Change
from servestack.review.effects.table import RESTART, Category, Effect, Row, in_parts, row


def general(change: Change) -> list[Effect]:
    """The consequence of a changed field, from the first row that fits."""
    for entry in _EFFECTS:
        if found := entry.effects(change.object.kind, change.field, change):
            return found
    return [Effect("none", "takes effect when applied")]


def whole_object(change: Change) -> list[Effect]:
    """The consequence of an object that is added or removed."""
    body = change.new if change.operation == "add" else change.old
    (appears, goes), (when_added, when_removed) = _words_for(change.object.kind, body)
    if change.operation == "add":
        return in_parts(when_added, appears)
    return in_parts(when_removed, goes)


_AUTOSCALERS = {"HorizontalPodAutoscaler", "ScaledObject"}


def autoscaler_replaced(changes: Sequence[Change]) -> Iterator[Effect]:
    """What it means that one kind of autoscaler takes over from another."""
    whole = {
        change.operation: change.object.kind
        for change in changes
        if not change.path and change.object.kind in _AUTOSCALERS
    }
    if whole.keys() >= {"add", "remove"}:
        yield Effect(
            "availability",
            f"{whole['add']} takes over from {whole['remove']}: no pod is added or removed until the "
            "old one is deleted, then the new one starts from the pods that there are",
        )


_WHOLE: dict[str, tuple[Category, Category]] = {
    "ClusterRole": ("security", "availability"),
    "ClusterRoleBinding": ("security", "availability"),
    "AnalysisTemplate": ("none", "availability"),
    "Deployment": ("data", "availability"),
    "Rollout": ("data", "availability"),
    "HTTPRoute": ("security", "availability"),
    "KafkaTopic": ("data", "data"),
    "HorizontalPodAutoscaler": ("availability", "availability"),
    "Ingress": ("security", "availability"),
    "Namespace": ("none", "security"),
    "NetworkPolicy": ("none", "security"),
    "PersistentVolumeClaim": ("none", "data"),
    "ScaledObject": ("availability", "availability"),
    "PodDisruptionBudget": ("none", "availability"),
    "PodMonitor": ("none", "availability"),
    "PrometheusRule": ("none", "availability"),
    "Role": ("security", "availability"),
    "RoleBinding": ("security", "availability"),
    "Secret": ("security", "security"),
    "Service": ("none", "availability"),
    "ServiceAccount": ("none", "availability"),
}
"""The categories of an object that is added, and of one that is removed. Default: none."""


def _words_for(kind: str, body: Body) -> tuple[tuple[str, str], tuple[Category, Category]]:
    """The words for an object that is added, and for one that is removed, and their categories."""
    if kind == "NetworkPolicy" and _denies_everything(body.get("spec") or {}):
        words = (
            "only traffic that a policy names is allowed",
            "pods without a policy of their own may reach and be reached by all",
        )
        return words, _WHOLE[kind]
    if kind == "NetworkPolicy" and SOLVER_LABEL in _selected(body):
        words = (
            "cert-manager's challenges are let through",
            "cert-manager's challenges are denied: certificates are no longer renewed by HTTP-01",
        )
        return words, ("security", "availability")
    if kind == "ConfigMap":
        for file in body.get("data") or {}:
            for pattern, words, categories in _FILES:
                if pattern.search(str(file)):
                    return words, categories
    return _WORDS.get(kind, ("is created", "is deleted")), _WHOLE.get(kind, ("none", "none"))


def _selected(body: Body) -> Body:
    """The labels of the pods that a NetworkPolicy is for."""
    selector = (body.get("spec") or {}).get("podSelector") or {}
    labels: Body = selector.get("matchLabels") or {}
    return labels


def _denies_everything(spec: Body) -> bool:
    return not (spec.get("podSelector") or spec.get("ingress") or spec.get("egress"))


_WORDS = {kind.name: (kind.appears, kind.goes) for kind in KINDS.values()}
_FILES: tuple[tuple[re.Pattern[str], tuple[str, str], tuple[Category, Category]], ...] = (
    (
        re.compile(r"^service\.json$"),
        ("the server's settings are added", "the server's settings are removed"),
        ("none", "availability"),
    ),
    (
        re.compile(r"^filebeat\.yml$"),
        ("logs are shipped", "logs are no longer shipped"),
        ("data", "data"),
    ),
    (re.compile(r"\.ya?ml$"), _WORDS["PrometheusRule"], ("none", "availability")),
    (
        re.compile(r"\.json$"),
        ("a dashboard is added", "the dashboard is removed"),
        ("none", "none"),
    ),
)
"""For files in ConfigMaps: the words for one that is added and for one that is removed, and their
categories."""


def _says(text: str) -> Callable[[Change], str]:
    return lambda change: text


def _values(text: str) -> Callable[[Change], str]:
    def words(change: Change) -> str:
        if change.operation == "change":
            return f"{text} {change.old}→{change.new}"
        return (
            f"{text} {change.new}"
            if change.operation == "add"
            else f"{text} {change.old} is removed"
        )

    return words


def _version(change: Change) -> str:
    return f"serves version {change.old}→{change.new}; {RESTART}"


def _argument(change: Change) -> str:
    if "#sha256=" in f"{change.old}{change.new}":
        return f"loads another artifact; {RESTART}"
    return f"the container starts with other arguments; {RESTART}"


def _annotation(change: Change) -> str:
    """An annotation may stand alone in the path, or in the mapping that is added or removed."""
    if names.PUBLIC_VARIABLES in f"{change.field}{change.old}{change.new}":
        return "values are shown that look like secrets: their owner says that they are no secrets"
    return "no effect on traffic"


def _rule(change: Change) -> str:
    verb = {"add": "is added", "remove": "is removed"}.get(change.operation, "changes")
    value = change.old if change.new is None else change.new
    if isinstance(value, dict) and isinstance(value.get("alert"), str):
        return f"alert {value['alert']} {verb}"
    if isinstance(value, dict) and isinstance(value.get("rules"), list):
        names = dict.fromkeys(str(rule["alert"]) for rule in value["rules"] if "alert" in rule)
        if names:
            return "; ".join(f"alert {name} {verb}" for name in names)
    what = "alert" if _OF_ALERTS.intersection(change.path) else "rule"
    return f"{what} {verb}"


_OF_ALERTS = {"alert", "annotations", "severity", "keep_firing_for"}
"""Fields that only alerts have."""


def _ingress_annotation(change: Change) -> str:
    """The words for one annotation, or for all of them where there were none before."""
    keys = [str(change.path[-1]), *(key for v in (change.old, change.new) for key in _keys(v))]
    if any(key.startswith("cert-manager.io/") for key in keys):
        return "changes who issues the certificate"
    return "changes how the controller treats requests"


def _keys(value: Any) -> list[str]:
    return [str(key) for key in value] if isinstance(value, dict) else []


def _image(change: Change) -> str:
    return f"runs another image; {RESTART}"


_POD = r"^spec\.template\.spec\."
_PLACEMENT = r"(nodeSelector|affinity|tolerations|runtimeClassName|topologySpreadConstraints)\b"


def _container(change: Change) -> str:
    value = change.old if change.new is None else change.new
    name = value.get("name", "?") if isinstance(value, dict) else value
    verb = {"add": "is added", "remove": "is removed"}.get(change.operation, "changes")
    return f"container {name} {verb}; {RESTART}"


def _resources(change: Change) -> str:
    return f"size of a pod {_short(change.old)}→{_short(change.new)}; {RESTART}"


def _device(change: Change) -> str:
    was, now = _short(change.old), _short(change.new)
    return f"{change.path[-1]} of a pod {was}→{now}; {RESTART}"


def _partitions(change: Change) -> str:
    if isinstance(change.old, int) and isinstance(change.new, int) and change.new < change.old:
        return (
            f"Strimzi refuses fewer partitions, and the topic keeps {change.old}: "
            f"{change.old}→{change.new}"
        )
    return f"events of one key go to another partition than before: {change.old}→{change.new}"


def _copies(change: Change) -> str:
    return (
        f"copies of each event {change.old}→{change.new}: Strimzi changes them with Cruise Control "
        "alone"
    )


def _retention(change: Change) -> str:
    old, new = (_hours(value) for value in (change.old, change.new))
    if isinstance(change.old, int) and isinstance(change.new, int) and change.new < change.old:
        return f"Kafka deletes events that are older than {new}, and kept them for {old}"
    return f"Kafka keeps events for {new}, and kept them for {old}"


def _hours(milliseconds: Any) -> str:
    if not isinstance(milliseconds, int):
        return "its own default"
    return f"{milliseconds // 3_600_000} h"


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_short(inner)}" for name, inner in value.items())
    return "nothing" if value is None else str(value)


def _effect(
    kind: str, field: str, words: Callable[[Change], str], category: Category = "none"
) -> Row:
    return row(kind, field, category, words)


_EFFECTS: tuple[Row, ...] = (
    _effect(
        "Deployment", r"^spec\.selector", _says("the Deployment must be replaced"), "availability"
    ),
    _effect(
        "*", r"^metadata\.(name|namespace)$", _says("the object must be replaced"), "availability"
    ),
    _effect("Deployment", r"^spec\.template\..*\[servestack\.dev/version\]$", _version, "data"),
    _effect("Deployment", r"args\[\d+\]$", _argument, "data"),
    _effect("Deployment", r"config-sha256\]$", _says(f"{RESTART}, to read their configuration")),
    _effect("Deployment", r"^spec\.template\..*\.image$", _image),
    _effect("Deployment", r"resources\.(requests|limits)\[.*/", _device, "availability"),
    _effect(
        "Deployment",
        r"^spec\.template\..*resources(\.(requests|limits)|$)",
        _resources,
        "availability",
    ),
    _effect("Deployment", rf"{_POD}(initContainers|containers)\[[^]]+\]$", _container),
    _effect(
        "Deployment",
        rf"{_POD}{_PLACEMENT}",
        _says(f"other nodes may run the pods; {RESTART}"),
        "availability",
    ),
    _effect(
        "Deployment",
        r"volume(s|Mounts)\b",
        _says(f"the pods see other files; {RESTART}"),
        "data",
    ),
    _effect("Deployment", r"^spec\.template\.", _says(RESTART)),
    _effect(
        "Deployment", r"\.maxSurge$", _values("pods that a rollout starts first:"), "availability"
    ),
    _effect(
        "Deployment",
        r"\.maxUnavailable$",
        _values("pods that a rollout stops first:"),
        "availability",
    ),
    _effect("Deployment", r"^spec\.replicas$", _values("capacity"), "availability"),
    _effect(
        "Deployment", r"^spec\.", _says("changes how the next rollout proceeds"), "availability"
    ),
    _effect(
        "HorizontalPodAutoscaler",
        r"^spec\.minReplicas$",
        _values("minimum capacity"),
        "availability",
    ),
    _effect(
        "HorizontalPodAutoscaler",
        r"^spec\.maxReplicas$",
        _values("maximum capacity"),
        "availability",
    ),
    _effect(
        "HorizontalPodAutoscaler",
        r"averageUtilization$",
        _values("scales at CPU percent"),
        "availability",
    ),
    _effect(
        "HorizontalPodAutoscaler",
        r"averageValue$",
        _values("scales at requests per pod"),
        "availability",
    ),
    _effect(
        "HorizontalPodAutoscaler",
        r"^spec\.",
        _says("changes how the number of pods follows the load"),
        "availability",
    ),
    *(
        _effect("ScaledObject", field, words, "availability")
        for field, words in (
            (r"^spec\.minReplicaCount$", _values("minimum capacity")),
            (r"^spec\.maxReplicaCount$", _values("maximum capacity")),
            (r"metadata[.[]threshold\b", _values("scales at requests per pod")),
            (r"metadata[.[]value\b", _values("scales at CPU percent")),
            (
                r"metadata[.[](serverAddress|namespace|authModes)\b|authenticationRef",
                _says("KEDA asks Prometheus in another way"),
            ),
            (r"^spec\.fallback\b", _says("changes the number of pods while Prometheus is away")),
            (r"^spec\.", _says("changes how the number of pods follows the load")),
        )
    ),
    _effect(
        "PodDisruptionBudget",
        r"^spec\.",
        _says("changes which pods a node drain may evict"),
        "availability",
    ),
    _effect("Service", r"^spec\.selector", _says("requests go to other pods"), "availability"),
    _effect("Service", r"^spec\.ports.*\bport$", _values("callers use port"), "availability"),
    _effect("Service", r"^spec\.ports", _says("callers use another port"), "availability"),
    _effect("Ingress", r"^spec\.tls", _says("serves another certificate"), "security"),
    _effect("Ingress", r"^spec\.", _says("the address changes"), "availability"),
    _effect("HTTPRoute", r"^spec\.", _says("the address changes"), "availability"),
    _effect("NetworkPolicy", r"^spec\.ingress", _says("changes who may call")),
    _effect("NetworkPolicy", r"^spec\.egress", _says("changes what the pods may reach")),
    _effect(
        "PrometheusRule",
        r"\.expr$",
        _says("changes the alert threshold or what it measures"),
        "availability",
    ),
    _effect("PrometheusRule", r"\.for$", _values("alert waits"), "availability"),
    _effect("PrometheusRule", r"^spec\.groups", _rule, "availability"),
    _effect(
        "ConfigMap",
        r"^data\[.*-?dashboard|^data\[[^]]*\.json\]\.panels",
        _says("changes the dashboard only"),
    ),
    _effect(
        "ConfigMap",
        r"^data\[service\.json\]",
        _says("the server's settings change when the pods restart"),
    ),
    _effect(
        "ConfigMap",
        r"^data\[(filebeat\.yml|drain\.sh)\]",
        _says("log shipping changes when the pods restart"),
    ),
    _effect(
        "ConfigMap",
        r"\.expr$",
        _says("changes the alert threshold or what it measures"),
        "availability",
    ),
    _effect("ConfigMap", r"^data\[[^]]*\]\.groups", _rule, "availability"),
    _effect("ConfigMap", r"^data\[[^]]*\.json\]", _says("changes the dashboard only")),
    _effect("ConfigMap", r"^(data|binaryData)", _says("takes effect when its pods restart")),
    _effect("Ingress", r"^metadata\.annotations", _ingress_annotation),
    _effect("Service", r"^metadata\.annotations", _says("what controllers do with it may change")),
    _effect(
        "PrometheusRule",
        r"^metadata\.labels",
        _says("changes which Prometheus evaluates it"),
        "availability",
    ),
    _effect(
        "PodMonitor",
        r"^metadata\.labels",
        _says("changes which Prometheus scrapes it"),
        "availability",
    ),
    _effect("PodMonitor", r"^spec", _says("what is scraped changes"), "availability"),
    _effect("KafkaTopic", r"^spec\.topicName$", _values("another topic of Kafka:"), "data"),
    _effect("KafkaTopic", r"^spec\.partitions$", _partitions, "data"),
    _effect("KafkaTopic", r"^spec\.replicas$", _copies, "availability"),
    _effect("KafkaTopic", r"^spec\.config\[retention\.ms\]$", _retention, "data"),
    _effect(
        "KafkaTopic",
        r"^spec\.config\[min\.insync\.replicas\]$",
        _values("copies that hold an event before it counts as shipped:"),
        "data",
    ),
    _effect("KafkaTopic", r"^spec\.config", _says("a setting of the topic changes"), "data"),
    _effect(
        "KafkaTopic",
        r"^metadata\.labels\[strimzi\.io/cluster\]$",
        _values("another Kafka gets the topic, and the events so far stay where they are:"),
        "data",
    ),
    _effect("ConfigMap", r"^metadata\.labels", _says("who picks it up may change")),
    _effect("Namespace", r"pod-security", _says("which pods are admitted changes")),
    _effect(
        "ServiceAccount",
        r"^metadata\.annotations",
        _says("a cloud may give the pods other rights when they restart"),
        "security",
    ),
    _effect("Deployment", r"^metadata\.annotations", _annotation),
    _effect("*", r"^metadata\.(labels|annotations)", _says("no effect on traffic")),
)
