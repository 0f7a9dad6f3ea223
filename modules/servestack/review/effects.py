"""What a change does, in words: the table that turns fields into consequences."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from servestack.manifests import names
from servestack.manifests.access import SOLVER_LABEL
from servestack.manifests.kinds import KINDS
from servestack.manifests.manifest import Body
from servestack.review.diff import Change

RESTART = "pods restart, one at a time"


@dataclass(frozen=True, slots=True)
class Effect:
    """A row of the table: the words for a change of a `kind` at a field that matches `field`."""

    kind: str
    field: re.Pattern[str]
    words: Callable[[Change], str]


def effect_of(change: Change) -> str:
    """The consequence of one change, from the first row that fits."""
    if not change.path:
        return _whole_object(change)
    field = change.field
    for effect in _EFFECTS:
        if effect.kind in ("*", change.object.kind) and effect.field.search(field):
            return effect.words(change)
    return "takes effect when applied"


def _whole_object(change: Change) -> str:
    body = change.new if change.operation == "add" else change.old
    appears, goes = _words_for(change.object.kind, body)
    return appears if change.operation == "add" else goes


def _words_for(kind: str, body: Body) -> tuple[str, str]:
    """The words for an object that is added, and for one that is removed."""
    if kind == "NetworkPolicy" and _denies_everything(body.get("spec") or {}):
        return (
            "only traffic that a policy names is allowed",
            "pods without a policy of their own may reach and be reached by all",
        )
    if kind == "NetworkPolicy" and SOLVER_LABEL in _selected(body):
        return (
            "cert-manager's challenges are let through",
            "cert-manager's challenges are denied: certificates are no longer renewed by HTTP-01",
        )
    if kind == "ConfigMap":
        for file in body.get("data") or {}:
            for pattern, words in _FILES:
                if pattern.search(str(file)):
                    return words
    return _WORDS.get(kind, ("is created", "is deleted"))


def _selected(body: Body) -> Body:
    """The labels of the pods that a NetworkPolicy is for."""
    selector = (body.get("spec") or {}).get("podSelector") or {}
    labels: Body = selector.get("matchLabels") or {}
    return labels


def _denies_everything(spec: Body) -> bool:
    return not (spec.get("podSelector") or spec.get("ingress") or spec.get("egress"))


_WORDS = {kind.name: (kind.appears, kind.goes) for kind in KINDS.values()}
_FILES = (
    (
        re.compile(r"^service\.json$"),
        ("the server's settings are added", "the server's settings are removed"),
    ),
    (re.compile(r"^filebeat\.yml$"), ("logs are shipped", "logs are no longer shipped")),
    (re.compile(r"\.ya?ml$"), _WORDS["PrometheusRule"]),
    (re.compile(r"\.json$"), ("a dashboard is added", "the dashboard is removed")),
)
"""For files in ConfigMaps: the words for one that is added, and for one that is removed."""


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


def _replicas(change: Change) -> str:
    if change.operation == "remove":
        return f"capacity is no longer fixed at {change.old}"
    return _values("capacity")(change)


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


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_short(inner)}" for name, inner in value.items())
    return "nothing" if value is None else str(value)


def _effect(kind: str, field: str, words: Callable[[Change], str]) -> Effect:
    return Effect(kind, re.compile(field), words)


_EFFECTS: tuple[Effect, ...] = (
    _effect("Deployment", r"^spec\.selector", _says("the Deployment must be replaced")),
    _effect("*", r"^metadata\.(name|namespace)$", _says("the object must be replaced")),
    _effect("Deployment", r"^spec\.template\..*\[servestack\.dev/version\]$", _version),
    _effect("Deployment", r"args\[\d+\]$", _argument),
    _effect("Deployment", r"config-sha256\]$", _says(f"{RESTART}, to read their configuration")),
    _effect("Deployment", r"^spec\.template\..*\.image$", _image),
    _effect("Deployment", r"resources\.(requests|limits)\[.*/", _device),
    _effect("Deployment", r"^spec\.template\..*resources(\.(requests|limits)|$)", _resources),
    _effect("Deployment", r"serviceAccountName$", _says(f"the pods get other rights; {RESTART}")),
    _effect("Deployment", rf"{_POD}(initContainers|containers)\[[^]]+\]$", _container),
    _effect(
        "Deployment", rf"{_POD}{_PLACEMENT}", _says(f"other nodes may run the pods; {RESTART}")
    ),
    _effect("Deployment", r"volume(s|Mounts)\b", _says(f"the pods see other files; {RESTART}")),
    _effect("Deployment", r"^spec\.template\.", _says(RESTART)),
    _effect("Deployment", r"\.maxSurge$", _values("pods that a rollout starts first:")),
    _effect("Deployment", r"\.maxUnavailable$", _values("pods that a rollout stops first:")),
    _effect("Deployment", r"^spec\.replicas$", _replicas),
    _effect("Deployment", r"^spec\.", _says("changes how the next rollout proceeds")),
    _effect("HorizontalPodAutoscaler", r"^spec\.minReplicas$", _values("minimum capacity")),
    _effect("HorizontalPodAutoscaler", r"^spec\.maxReplicas$", _values("maximum capacity")),
    _effect("HorizontalPodAutoscaler", r"averageUtilization$", _values("scales at CPU percent")),
    _effect("HorizontalPodAutoscaler", r"averageValue$", _values("scales at requests per pod")),
    _effect(
        "HorizontalPodAutoscaler",
        r"^spec\.",
        _says("changes how the number of pods follows the load"),
    ),
    _effect("PodDisruptionBudget", r"^spec\.", _says("changes which pods a node drain may evict")),
    _effect("Service", r"^spec\.selector", _says("requests go to other pods")),
    _effect("Service", r"^spec\.ports.*\bport$", _values("callers use port")),
    _effect("Service", r"^spec\.ports", _says("callers use another port")),
    _effect("Ingress", r"^spec\.tls", _says("serves another certificate")),
    _effect("Ingress", r"^spec\.", _says("the address changes")),
    _effect("HTTPRoute", r"^spec\.", _says("the address changes")),
    _effect("NetworkPolicy", r"^spec\.ingress", _says("changes who may call")),
    _effect("NetworkPolicy", r"^spec\.egress", _says("changes what the pods may reach")),
    _effect("PrometheusRule", r"\.expr$", _says("changes the alert threshold or what it measures")),
    _effect("PrometheusRule", r"\.for$", _values("alert waits")),
    _effect("PrometheusRule", r"^spec\.groups", _rule),
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
    _effect("ConfigMap", r"\.expr$", _says("changes the alert threshold or what it measures")),
    _effect("ConfigMap", r"^data\[[^]]*\]\.groups", _rule),
    _effect("ConfigMap", r"^data\[[^]]*\.json\]", _says("changes the dashboard only")),
    _effect("ConfigMap", r"^(data|binaryData)", _says("takes effect when its pods restart")),
    _effect("Ingress", r"^metadata\.annotations", _ingress_annotation),
    _effect("Service", r"^metadata\.annotations", _says("what controllers do with it may change")),
    _effect("PrometheusRule", r"^metadata\.labels", _says("changes which Prometheus evaluates it")),
    _effect("PodMonitor", r"^metadata\.labels", _says("changes which Prometheus scrapes it")),
    _effect("PodMonitor", r"^spec", _says("what is scraped changes")),
    _effect("ConfigMap", r"^metadata\.labels", _says("who picks it up may change")),
    _effect("Namespace", r"pod-security", _says("which pods are admitted changes")),
    _effect(
        "ServiceAccount",
        r"^metadata\.annotations",
        _says("a cloud may give the pods other rights when they restart"),
    ),
    _effect("Deployment", r"^metadata\.annotations", _annotation),
    _effect("*", r"^metadata\.(labels|annotations)", _says("no effect on traffic")),
)
