"""Who may call, what is reachable from where, and which rights the pods have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from servestack.manifests.manifest import Body
from servestack.review.diff import Change
from servestack.review.effects.table import (
    BodyWords,
    Category,
    Effect,
    Row,
    added,
    becomes,
    moved,
    name_of,
    no_longer,
    row,
)

_NAMESPACE_LABEL = "kubernetes.io/metadata.name"
_ANYONE = ("anyone", "any port")


# NetworkPolicy: the sets of allowed peers, before and after.


def _network_policy(change: Change, old: Body, new: Body) -> list[Effect]:
    part = str(change.path[1]) if change.path[0] == "spec" and len(change.path) > 1 else ""
    effects: list[Effect] = []
    if part in ("ingress", "policyTypes"):
        before, after = (_allowed(body["spec"], "Ingress", "from") for body in (old, new))
        effects += _compared(after - before, "security", "{} may call ({})")
        effects += _compared(before - after, "availability", "{} may no longer call ({})")
    if part in ("egress", "policyTypes"):
        before, after = (_allowed(body["spec"], "Egress", "to") for body in (old, new))
        effects += _compared(after - before, "security", "the pods may reach {} ({})")
        effects += _compared(before - after, "availability", "the pods may no longer reach {} ({})")
    if part == "podSelector":
        effects.append(Effect("security", "the limits on traffic hold for other pods"))
    return effects


Flow = tuple[str, str]
"""(peer, port) in words."""


def _allowed(spec: Body, direction: str, side: str) -> set[Flow]:
    """What a policy allows in a direction. A direction that it does not limit allows anyone."""
    rules = spec.get(direction.lower())
    types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if rules else [])]
    if direction not in types:
        return {_ANYONE}
    return {flow for rule in rules or () for flow in _flows(rule or {}, side)}


def _flows(rule: Body, side: str) -> Iterator[Flow]:
    for peer in rule.get(side) or [None]:
        for port in rule.get("ports") or [{}]:
            yield _peer(peer), _port(port)


def _port(port: Body) -> str:
    if "port" not in port:
        return f"any {port['protocol']} port" if "protocol" in port else _ANYONE[1]
    end = f"-{port['endPort']}" if "endPort" in port else ""
    return f"{port.get('protocol', 'TCP')} {port['port']}{end}"


def _peer(peer: Body | None) -> str:
    if not peer:
        return _ANYONE[0]
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        left_out = ", ".join(block.get("except") or ())
        address = {"0.0.0.0/0": "any address", "::/0": "any IPv6 address"}
        text = address.get(block["cidr"], str(block["cidr"]))
        return f"{text} except {left_out}" if left_out else text
    pods = _selector(peer["podSelector"]) if "podSelector" in peer else ""
    who = f"pods with {pods}" if pods else "pods"
    if "namespaceSelector" not in peer:
        return f"{who} of the same namespace"
    selector = peer["namespaceSelector"] or {}
    labels = selector.get("matchLabels") or {}
    if list(labels) == [_NAMESPACE_LABEL] and not selector.get("matchExpressions"):
        return f"{who} of namespace {labels[_NAMESPACE_LABEL]}"
    namespaces = _selector(selector)
    return f"{who} of namespaces with {namespaces}" if namespaces else f"{who} of every namespace"


def _selector(selector: Body | None) -> str:
    labels = [
        f"{name}={value}" for name, value in ((selector or {}).get("matchLabels") or {}).items()
    ]
    expressions = (selector or {}).get("matchExpressions") or []
    return ", ".join([*labels, *(json.dumps(e, sort_keys=True) for e in expressions)])


def _compared(flows: set[Flow], category: Category, words: str) -> list[Effect]:
    """One effect for each peer, with all its ports."""
    ports: dict[str, list[str]] = {}
    for peer, port in sorted(flows):
        ports.setdefault(peer, []).append(port)
    return [Effect(category, words.format(peer, ", ".join(of))) for peer, of in ports.items()]


# Ingress and HTTPRoute: the sets of published addresses, before and after.


def _ingress(change: Change, old: Body, new: Body) -> list[Effect]:
    before, after = old.get("spec") or {}, new.get("spec") or {}
    effects: list[Effect] = []
    if change.path[:2] == ("spec", "tls"):
        published = {"", *(str(rule.get("host", "")) for rule in after.get("rules") or ())}
        lost = (_encrypted(before) - _encrypted(after)) & published
        for host in sorted(lost):
            effects.append(Effect("security", f"{host or 'the model'} is reached without TLS"))
    if change.path[:2] in (("spec", "rules"), ("spec", "defaultBackend")):
        effects += _published(set(_of_ingress(before)), set(_of_ingress(after)))
    return effects


def _http_route(change: Change, old: Body, new: Body) -> list[Effect]:
    before, after = old.get("spec") or {}, new.get("spec") or {}
    effects: list[Effect] = []
    if change.path[:2] in (("spec", "hostnames"), ("spec", "rules")):
        effects += _published(set(_of_route(before)), set(_of_route(after)))
    if change.path[:2] == ("spec", "parentRefs"):
        effects.append(Effect("security", "another gateway or listener publishes the model"))
    return effects


def _published(before: set[str], after: set[str]) -> list[Effect]:
    effects = [Effect("security", f"{a} is published") for a in sorted(after - before)]
    gone = (Effect("availability", f"{a} no longer answers") for a in sorted(before - after))
    return [*effects, *gone]


def _encrypted(spec: Body) -> set[str]:
    return {str(host) for entry in spec.get("tls") or () for host in entry.get("hosts") or [""]}


def _of_ingress(spec: Body) -> Iterator[str]:
    if spec.get("defaultBackend"):
        yield "every host"
    for rule in spec.get("rules") or ():
        host = rule.get("host", "every host")
        for path in (rule.get("http") or {}).get("paths") or [{}]:
            yield f"{host}{path.get('path', '')}"


def _of_route(spec: Body) -> Iterator[str]:
    for host in spec.get("hostnames") or ["every host"]:
        for rule in spec.get("rules") or [{}]:
            for match in rule.get("matches") or [{}]:
                yield f"{host}{(match.get('path') or {}).get('value', '')}"


WHOLE: dict[str, BodyWords] = {
    "NetworkPolicy": _network_policy,
    "Ingress": _ingress,
    "HTTPRoute": _http_route,
}
"""Kinds whose changes are explained by the whole object, before and after."""


def opens_a_door(changes: Iterable[Change]) -> bool:
    """Whether a model becomes reachable from outside the cluster."""
    return any(
        change.operation == "add" and not change.path and change.object.kind in _DOORS
        for change in changes
    )


def with_door(settings: Body) -> Iterator[Effect]:
    """What an open door means together with the server's settings."""
    if "apiKeys" not in settings:
        yield Effect("security", "callers from outside the cluster need no API key")


_DOORS = ("Ingress", "HTTPRoute")

# Fields.

_GUARDS = re.compile(
    r"(source-range|allow-?list|deny-?list|inbound-cidrs|security-groups|/auth|authelia|oauth|jwt"
    r"|ssl-redirect|snippet|waf|modsecurity|middlewares|/scheme$|limit-(rps|rpm|connections)|cors"
    r"|backend-protocol|tls)",
    re.IGNORECASE,
)
"""Annotations by which ingress controllers admit, refuse or rewrite requests."""


def _guard(change: Change) -> str | None:
    name = name_of(change)
    if not _GUARDS.search(name):
        return None
    verb = {"add": "is set", "remove": "is removed"}.get(change.operation, "changes")
    return f"the controller's setting {name} {verb}"


_LEVELS = ("restricted", "baseline", "privileged")
"""Pod Security levels, the strictest first. A namespace without one admits everything."""


def _pod_security(change: Change) -> str | None:
    old, new = (str(v or _LEVELS[-1]) for v in (change.old, change.new))
    if old not in _LEVELS or new not in _LEVELS or _LEVELS.index(new) <= _LEVELS.index(old):
        return None
    return f"the namespace admits pods with more rights: {old}→{new}"


_IDENTITY = re.compile(r"(role-arn|gcp-service-account|azure.workload.identity|/identity)")
"""Annotations that give an account rights at a cloud provider."""


def _identity(change: Change) -> str | None:
    if not _IDENTITY.search(name_of(change)) or change.new is None:
        return None
    return f"a cloud may give the pods other rights when they restart: {change.new}"


def _identity_lost(change: Change) -> str | None:
    lost = _IDENTITY.search(name_of(change)) and change.new is None
    return f"a cloud no longer gives the pods the rights of {change.old}" if lost else None


def _service_type(change: Change) -> str | None:
    if change.new in ("LoadBalancer", "NodePort"):
        return f"the Service is reachable from outside the cluster: {change.new}"
    return None


_TOKEN = "the pods get a token for the Kubernetes API"
_ANNOTATION = r"^metadata\.annotations(\.[^.]+|\[.*\])$"
_LABEL = r"^metadata\.labels\[pod-security\.kubernetes\.io/enforce\]$"

ROWS: tuple[Row, ...] = (
    row("Ingress", _ANNOTATION, "security", _guard, for_new=True),
    row("HTTPRoute", _ANNOTATION, "security", _guard, for_new=True),
    row("Ingress", r"^spec\.ingressClassName$", "security", moved("published by the controller")),
    row("HTTPRoute", r"^spec\.rules\[\d+\]\.filters", "security", "requests are rewritten on their way"),
    row("Namespace", _LABEL, "security", _pod_security),
    row("ServiceAccount", _ANNOTATION, "security", _identity, for_new=True),
    row("ServiceAccount", _ANNOTATION, "availability", _identity_lost),
    row("ServiceAccount", r"^automountServiceAccountToken$", "security", no_longer(False, _TOKEN)),
    row(
        "ServiceAccount", r"^automountServiceAccountToken$", "security",
        becomes(True, _TOKEN, default=False), for_new=True,
    ),
    row("Service", r"^spec\.type$", "security", _service_type, for_new=True),
    row(
        "Service", r"^spec\.loadBalancerSourceRanges(\[\d+\])?$", "security",
        "which addresses may call from outside the cluster changes",
    ),
    row("Service", r"^spec\.externalIPs(\[\d+\])?$", "security", added("the Service answers at an external address"), for_new=True),
    row("Service", _ANNOTATION, "security", _guard, for_new=True),
    row("Role", r"^rules", "security", "what the account may do in the Kubernetes API changes"),
    row("ClusterRole", r"^rules", "security", "what the account may do in the Kubernetes API changes"),
    row("RoleBinding", r"^(subjects|roleRef)", "security", "who may use the role changes"),
    row("ClusterRoleBinding", r"^(subjects|roleRef)", "security", "who may use the role changes"),
)  # fmt: skip
