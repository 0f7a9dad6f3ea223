"""The cluster of a context: its address, and how to sign in, as kubectl would find them.

The official client handles certificates, tokens, credential plugins and proxies.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from servestack.errors import ClusterError, Problem


def load_configuration(kubeconfig: str | None, context: str) -> Any:
    """The client's Configuration for a context, never for the kubeconfig's current context.

    `kubeconfig` is a path; None stands for KUBECONFIG or ~/.kube/config. Raises ClusterError if the
    file cannot be read, has no such context, or its credentials cannot be obtained.
    """
    from kubernetes.client import Configuration
    from kubernetes.config import ConfigException, kube_config
    from urllib3.exceptions import HTTPError
    from yaml import YAMLError

    files = kubeconfig or kube_config.KUBE_CONFIG_DEFAULT_LOCATION
    configuration = Configuration()
    # The client raises AttributeError and TypeError for YAML that is no kubeconfig at all.
    broken = (ConfigException, YAMLError, OSError, ValueError, AttributeError, TypeError, KeyError)
    try:
        merged = kube_config.KubeConfigMerger(files).config
        contexts = [] if merged is None else sorted(c["name"] for c in merged.value["contexts"])
    except broken as error:
        raise _unreadable(files, error) from None
    if merged is None:
        raise _unreadable(files, "there is no such file")
    if context not in contexts:
        known = ", ".join(contexts) or "none"
        message = f"the kubeconfig {files} has no context {context!r}"
        hint = f"it has {known}; set cluster.context, or name one with --context"
        raise ClusterError(Problem("SRV532", message, hint=hint))
    with _told_by_client() as told:
        try:
            loader = kube_config.KubeConfigLoader(
                config_dict=merged, active_context=context, config_base_path=None
            )
            loader.load_and_set(configuration)
        except (*broken, HTTPError) as error:
            raise _unreadable(files, error) from None
    if told:
        # The client only logs that a plugin failed, and would continue without credentials.
        raise ClusterError(
            Problem(
                "SRV533",
                f"cannot get the credentials of context {context!r}: {'; '.join(told)}",
                hint=f"does `kubectl --context {context} get pods` work?",
            )
        )
    if not hasattr(loader, "host"):
        raise _unreadable(files, f"the cluster of context {context!r} has no server")
    return configuration


def _unreadable(files: str, reason: object) -> ClusterError:
    first_line = (str(reason).strip() or type(reason).__name__).splitlines()[0]
    message = f"the kubeconfig {files} cannot be read: {first_line}"
    hint = "set KUBECONFIG or cluster.kubeconfig, or name a file with --kubeconfig"
    return ClusterError(Problem("SRV531", message, hint=hint))


@contextmanager
def _told_by_client() -> Iterator[list[str]]:
    """Errors that the client logs at the root logger."""
    told: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: told.append(" ".join(record.getMessage().split()))  # type: ignore[method-assign]
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield told
    finally:
        root.removeHandler(handler)
