"""What every pod and container must be to run under the `restricted` Pod Security level.

Source: https://kubernetes.io/docs/concepts/security/pod-security-standards
"""

from __future__ import annotations

from servestack.manifests.manifest import Body

USER_ID = 10001
"""User and group of every container: one owner for the files that they share."""


def pod_security_context() -> Body:
    """Security context of a pod."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER_ID,
        "runAsGroup": USER_ID,
        "fsGroup": USER_ID,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security_context() -> Body:
    """Security context of a container: no privileges, and no writes outside its volumes."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
    }
