"""What the restricted level of the Pod Security Standards forbids in a pod.

Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/, Kubernetes 1.34. What
it allows only for Windows is left out. Our builders keep all of it; a patch may not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_HOST_NAMESPACES = ("hostNetwork", "hostPID", "hostIPC")
_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim",
    "projected", "secret",
}  # fmt: skip
_SECCOMP = ("RuntimeDefault", "Localhost")
_APP_ARMOR = (None, "RuntimeDefault", "Localhost")
_SELINUX_TYPES = (
    "", None, "container_t", "container_init_t", "container_kvm_t", "container_engine_t",
)  # fmt: skip
_SYSCTLS = {
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range",
    "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes",
}  # fmt: skip


def forbidden_in_pod(pod: dict[str, Any]) -> Iterator[str]:
    """Yield what the restricted level refuses in a pod's spec, as sentences without a full stop."""
    context = pod.get("securityContext", {})
    for field in _HOST_NAMESPACES:
        if pod.get(field):
            yield f"the pod shares the node's {field.removeprefix('host')} namespace"
    for volume in pod.get("volumes", []):
        for kind in sorted(volume.keys() - _VOLUMES - {"name"}):
            yield f"volume {volume['name']} is of the kind {kind}"
    for setting in context.get("sysctls", []):
        if setting["name"] not in _SYSCTLS:
            yield f"the pod sets the kernel parameter {setting['name']}"
    yield from _in_context("the pod", context)
    containers = [*pod.get("initContainers", []), *pod["containers"]]
    for container in containers:
        name = f"container {container['name']}"
        own = container.get("securityContext", {})
        yield from _in_context(name, own)
        yield from _in_container(name, container, own)
        if own.get("runAsNonRoot", context.get("runAsNonRoot")) is not True:
            yield f"{name} may run as root"
        seccomp = own.get("seccompProfile") or context.get("seccompProfile") or {}
        if seccomp.get("type") not in _SECCOMP:
            yield f"{name} has no seccomp profile"


def _in_context(name: str, context: dict[str, Any]) -> Iterator[str]:
    """Yield what a security context of a pod or a container may not say."""
    if context.get("runAsUser") == 0:
        yield f"{name} runs as root"
    linux = context.get("seLinuxOptions", {})
    if linux.get("type") not in _SELINUX_TYPES or linux.get("user") or linux.get("role"):
        yield f"{name} sets SELinux options"
    if context.get("appArmorProfile", {}).get("type") not in _APP_ARMOR:
        yield f"{name} turns AppArmor off"
    if context.get("windowsOptions", {}).get("hostProcess"):
        yield f"{name} runs as a process of the node"


def _in_container(name: str, container: dict[str, Any], own: dict[str, Any]) -> Iterator[str]:
    if own.get("privileged"):
        yield f"{name} is privileged"
    for capability in own.get("capabilities", {}).get("add", []):
        if capability != "NET_BIND_SERVICE":
            yield f"{name} adds the capability {capability}"
    if own.get("procMount", "Default") != "Default":
        yield f"{name} sees all of /proc"
    for port in container.get("ports", []):
        if port.get("hostPort"):
            yield f"{name} takes port {port['hostPort']} of the node"
