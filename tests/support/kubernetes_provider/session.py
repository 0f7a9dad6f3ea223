"""What one provider resource of one run has: a cluster, its settings, and its own cancellation."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from tests.support.kubernetes_client import KubernetesClient


class ConfigurationError(Exception):
    """A setting that this stand-in cannot work with."""


class Session:
    """One configured provider. The official plugin has a process for each; here a connection."""

    def __init__(self, settings: dict[str, Any], program_folder: Path) -> None:
        def on(name: str) -> bool:
            return settings.get(name) in ("true", True)

        if settings.get("enableServerSideApply") in ("false", False):
            raise ConfigurationError("enableServerSideApply is off: this stand-in has no other way")
        self.upserts = on("upsertExistingObjects")
        self.forces = on("enablePatchForce")
        kinds = {"ConfigMap": "enableConfigMapMutable", "Secret": "enableSecretMutable"}
        self.mutable = frozenset(kind for kind, name in kinds.items() if on(name))
        self.cancelled = threading.Event()
        file = program_folder / _kubeconfig(settings.get("kubeconfig"))
        self.client = KubernetesClient.from_kubeconfig(file, settings["context"])


def _kubeconfig(told: str | None) -> Path:
    """Where the plugin looks: what it was told, else the first file of KUBECONFIG, else the usual."""
    listed = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    return Path(told or listed or "~/.kube/config").expanduser()
