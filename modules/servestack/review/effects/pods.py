"""The pods: their rights on the node, their images, Secrets and artifacts."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from servestack.manifests import names
from servestack.review.diff import Change
from servestack.review.effects.table import (
    ANY_PODS,
    Row,
    Words,
    added,
    becomes,
    moved,
    name_of,
    no_longer,
    removed,
    row,
)

_POD = r"^spec\.template\.spec\."
_CONTAINER = rf"{_POD}(initContainers|containers|ephemeralContainers)\[[^]]*\]"
_CONTEXT = rf"({_POD}|{_CONTAINER}\.)securityContext\."
_VOLUME = rf"{_POD}volumes\[[^]]*\]"
_OWN_CONTAINERS = (names.SERVER_CONTAINER, names.FETCH_CONTAINER, names.FILEBEAT_CONTAINER)
_API_KEYS, _CA = "api-keys", "kafka-ca"
"""Volumes of Secrets that only make a service stricter."""


# Images.


def _repository(change: Change) -> str | None:
    old, new = (_image(v) for v in (change.old, change.new))
    if old is None or new is None or old[0] == new[0]:
        return None
    return f"runs an image of another repository: {old[0]}→{new[0]}"


def _without_digest(change: Change) -> str | None:
    old, new = (_image(v) for v in (change.old, change.new))
    if old is None or new is None or not old[1] or new[1]:
        return None
    return f"the image {new[0]} is no longer pinned by digest"


def _image(reference: Any) -> tuple[str, str] | None:
    """(repository, digest) of an image's reference; None for no text."""
    if not isinstance(reference, str):
        return None
    name, _, digest = reference.partition("@")
    head, slash, last = name.rpartition("/")
    return head + slash + last.partition(":")[0], digest


def _container(change: Change) -> str | None:
    value = change.new if isinstance(change.new, dict) else {}
    name = _item_name(change)
    if change.operation != "add" or name in _OWN_CONTAINERS:
        return None
    return f"container {name} is added, with image {value.get('image')}"


def _own_container(change: Change) -> str | None:
    """Ours say what they do elsewhere: in Filebeat's configuration, in the lock."""
    name = _item_name(change)
    if name in _OWN_CONTAINERS or change.operation == "remove":
        return f"container {name} is {'added' if change.operation == 'add' else 'removed'}"
    return None


def _item_name(change: Change) -> str:
    value = change.old if change.new is None else change.new
    return str(value.get("name", name_of(change))) if isinstance(value, dict) else name_of(change)


# Artifacts: `--artifact=<name>=<source>#sha256=<hex>` and `--model=<name>=<version>#sha256=<hex>`.


def _artifact(change: Change) -> str | None:
    old, new = (_pin(v, "--artifact=") for v in (change.old, change.new))
    if new is None:
        return None
    if not new[2]:
        return f"the artifact of {new[0]} is fetched without a check of its digest"
    if old is None or old[0] != new[0] or _place(old[1]) == _place(new[1]):
        return None
    return (
        f"the artifact of {new[0]} is fetched from another place: {_place(old[1])}→{_place(new[1])}"
    )


def _same_version(change: Change) -> str | None:
    old, new = (_pin(v, "--model=") for v in (change.old, change.new))
    if old is None or new is None or old[:2] != new[:2] or old[2] == new[2] or new[1] == "-":
        return None
    return f"version {new[1]} of {new[0]} has other content than before"


def _pin(argument: Any, option: str) -> tuple[str, str, str] | None:
    """(name, source or version, digest) of an argument; None where it is another one."""
    if not isinstance(argument, str) or not argument.startswith(option):
        return None
    name, _, rest = argument.removeprefix(option).partition("=")
    value, _, digest = rest.partition("#sha256=")
    return name, value, digest


def _place(source: str) -> str:
    parts = urlsplit(source)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}" if parts.scheme else source


# Secrets.


def _volume_secret(change: Change) -> str | None:
    if change.operation != "change":
        return None
    volume = change.path[-3]
    what = {
        _API_KEYS: "API keys are",
        _CA: "Kafka's certificate authority is",
        "kafka-credentials": "Kafka's user name and password are",
    }.get(str(volume))
    return f"{what or f'volume {volume} is'} read from Secret {change.new} instead of {change.old}"


def _volume(change: Change) -> str | None:
    value = change.new if isinstance(change.new, dict) else {}
    name = str(value.get("name", ""))
    if "hostPath" in value:
        return f"the pods see {(value['hostPath'] or {}).get('path')} of their node"
    secret = _secret_of(value)
    if secret and name not in (_API_KEYS, _CA):
        return f"the pods read Secret {secret}"
    return None


def _secret_of(volume: dict[str, Any]) -> str:
    own = (volume.get("secret") or {}).get("secretName")
    sources = (volume.get("projected") or {}).get("sources") or []
    projected = [source["secret"].get("name") for source in sources if source.get("secret")]
    return ", ".join(str(name) for name in ([own] if own else projected))


def _variable_from_secret(change: Change) -> str | None:
    value = change.new if isinstance(change.new, dict) else {}
    reference = (value.get("valueFrom") or {}).get("secretKeyRef")
    if (
        not reference
        or change.operation != "add"
        or str(value.get("name", "")).startswith("KAFKA_")
    ):
        return None
    return f"variable {value.get('name')} is read from Secret {reference.get('name')}"


def _other_secret(change: Change) -> str | None:
    if change.operation != "change":
        return None
    return f"variable {change.path[-4]} is read from Secret {change.new} instead of {change.old}"


def _all_of_secret(change: Change) -> str | None:
    entry = change.new if isinstance(change.new, dict) else {}
    secret = (entry.get("secretRef") or {}).get("name")
    return f"every key of Secret {secret} becomes a variable of the container" if secret else None


def _variable(change: Change) -> str | None:
    if _variable_from_secret(change):
        return None
    if change.operation == "change":
        return f"variable {change.path[-2]} changes"
    return f"variable {_item_name(change)} is {'set' if change.operation == 'add' else 'removed'}"


# Rights on the node.


def _root(change: Change) -> str | None:
    became_root = change.new == 0 and change.old != 0
    return "the processes run as root" if became_root else None


def _capability(change: Change) -> str | None:
    values = change.new if isinstance(change.new, list) else [change.new]
    return (
        None
        if not values or change.new is None
        else f"containers get capability {', '.join(map(str, values))}"
    )


def _seccomp(change: Change) -> str | None:
    safe = ("RuntimeDefault", "Localhost")
    if change.old in safe and change.new not in safe:
        return "system calls are no longer filtered (seccomp)"
    return "system calls are not filtered (seccomp)" if change.new == "Unconfined" else None


def _dropped(change: Change) -> str | None:
    return (
        "containers keep capabilities of root"
        if change.old == "ALL" and change.new != "ALL"
        else None
    )


_GUARDED = re.compile(
    r"(istio|linkerd|/inject|apparmor|seccomp|vault|iam\.amazonaws|proxy|policy)", re.I
)
"""Annotations and labels of pods by which a mesh or a node protects them, or gives them rights."""


def _guard(change: Change) -> str | None:
    name = name_of(change)
    if not _GUARDED.search(name):
        return None
    verb = {"add": "is set", "remove": "is removed"}.get(change.operation, "changes")
    return f"what a mesh or a node does with the pods changes: {name} {verb}"


def _probe(what: str) -> Words:
    def words(change: Change) -> str:
        verb = {"add": "is added", "remove": "is removed"}.get(change.operation, "changes")
        return f"{what} {verb}"

    return words


ROWS: tuple[Row, ...] = (
    row(ANY_PODS, r"^spec\.template\.metadata\.(annotations|labels)(\.[^.]+|\[.*\])$", "security", _guard),
    row(ANY_PODS, rf"{_CONTAINER}\.image$", "security", _repository),
    row(ANY_PODS, rf"{_CONTAINER}\.image$", "security", _without_digest),
    row(ANY_PODS, rf"{_CONTAINER}$", "security", _container),
    row(ANY_PODS, rf"{_CONTAINER}$", "none", _own_container),
    row(ANY_PODS, rf"{_CONTAINER}\.args\[\d+\]$", "security", _artifact, for_new=True),
    row(ANY_PODS, rf"{_CONTAINER}\.args\[\d+\]$", "security", _same_version),
    row(ANY_PODS, rf"{_VOLUME}\.secret\.secretName$", "security", _volume_secret),
    row(ANY_PODS, rf"{_VOLUME}$", "security", _volume),
    row(ANY_PODS, rf"{_CONTAINER}\.env\[[^]]*\]$", "security", _variable_from_secret),
    row(ANY_PODS, rf"{_CONTAINER}\.env\[[^]]*\]\.valueFrom\.secretKeyRef\.name$", "security", _other_secret),
    row(ANY_PODS, rf"{_CONTAINER}\.env\[[^]]*\](\.value)?$", "data", _variable),
    row(ANY_PODS, rf"{_CONTAINER}\.envFrom\[\d+\]$", "security", _all_of_secret),
    row(
        ANY_PODS, rf"{_CONTAINER}\.envFrom\[\d+\]\.secretRef\.name$", "security",
        moved("every key becomes a variable of the container, of Secret"),
    ),
    row(ANY_PODS, rf"{_POD}serviceAccountName$", "security", moved("the pods get other rights: service account")),
    row(
        ANY_PODS, rf"{_POD}automountServiceAccountToken$", "security",
        no_longer(False, "the pods get a token for the Kubernetes API"),
    ),
    row(
        ANY_PODS, rf"{_POD}automountServiceAccountToken$", "security",
        becomes(True, "the pods get a token for the Kubernetes API"), for_new=True,
    ),
    row(
        ANY_PODS, rf"{_POD}(hostNetwork|hostPID|hostIPC)$", "security",
        becomes(True, lambda c: f"the pods share their node: {name_of(c)}"), for_new=True,
    ),
    row(ANY_PODS, rf"{_POD}hostUsers$", "security", no_longer(False, "root in the pods is root on the node")),
    row(
        ANY_PODS, rf"{_POD}shareProcessNamespace$", "security",
        becomes(True, "the containers see each other's processes"), for_new=True,
    ),
    row(ANY_PODS, rf"{_CONTAINER}\.ports\[[^]]*\]\.hostPort$", "security", "the pods answer at a port of their node", for_new=True),
    row(ANY_PODS, rf"{_CONTEXT}runAsNonRoot$", "security", no_longer(True, "the pods may run as root")),
    row(ANY_PODS, rf"{_CONTEXT}runAsNonRoot$", "security", becomes(False, "the pods may run as root"), for_new=True),
    row(ANY_PODS, rf"{_CONTEXT}(runAsUser|runAsGroup|fsGroup)$", "security", _root, for_new=True),
    row(
        ANY_PODS, rf"{_CONTEXT}allowPrivilegeEscalation$", "security",
        no_longer(False, "processes may gain privileges"),
    ),
    row(
        ANY_PODS, rf"{_CONTEXT}allowPrivilegeEscalation$", "security",
        becomes(True, "processes may gain privileges"), for_new=True,
    ),
    row(
        ANY_PODS, rf"{_CONTEXT}readOnlyRootFilesystem$", "security",
        no_longer(True, "processes may write to the image's file system"),
    ),
    row(ANY_PODS, rf"{_CONTEXT}privileged$", "security", becomes(True, "a container has every right on its node"), for_new=True),
    row(ANY_PODS, rf"{_CONTEXT}capabilities\.add(\[\d+\])?$", "security", _capability, for_new=True),
    row(ANY_PODS, rf"{_CONTEXT}capabilities\.drop\[\d+\]$", "security", _dropped),
    row(ANY_PODS, rf"{_CONTEXT}seccompProfile\.type$", "security", _seccomp, for_new=True),
    row(ANY_PODS, rf"{_CONTEXT}(appArmorProfile|seLinuxOptions|procMount|windowsOptions)", "security", "the kernel's limits on the pods change"),
    row(ANY_PODS, rf"{_CONTAINER}\.startupProbe", "availability", _probe("the check that a pod has started")),
    row(ANY_PODS, rf"{_CONTAINER}\.readinessProbe", "availability", _probe("the check that a pod takes requests")),
    row(ANY_PODS, rf"{_CONTAINER}\.livenessProbe", "availability", _probe("the check that restarts a pod")),
    row(
        ANY_PODS, rf"{_CONTAINER}\.lifecycle", "availability",
        removed("a pod that stops is no longer taken out of traffic first"),
    ),
    row(ANY_PODS, rf"{_POD}priorityClassName$", "availability", "which pods give way to others changes"),
    row(ANY_PODS, rf"{_POD}imagePullSecrets", "none", added("images are pulled with other credentials")),
)  # fmt: skip
