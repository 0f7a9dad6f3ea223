"""Argo CD's objects: an Application, and the AppProject that limits it.

Source: https://argo-cd.readthedocs.io/en/stable/operator-manual/application.yaml and project.yaml.
"""

from __future__ import annotations

from collections.abc import Sequence

from servestack.gitops.source import Source
from servestack.manifests.kinds import KINDS, NAMESPACE, NAMESPACED
from servestack.manifests.manifest import Body, Manifest

API_VERSION = "argoproj.io/v1alpha1"
THIS_CLUSTER = "https://kubernetes.default.svc"
"""The cluster that Argo CD itself runs in."""
_CASCADE = "resources-finalizer.argocd.argoproj.io"
_SYNC_OPTIONS = (
    # No copy of an object in an annotation, which is limited to 256 KiB, and fields that others
    # own stay theirs.
    "ServerSideApply=true",
    # The Namespace is among the files, or the platform's.
    "CreateNamespace=false",
    "ApplyOutOfSyncOnly=true",
    # What a removed model leaves behind goes after everything else works.
    "PruneLast=true",
)


def application(
    name: str,
    in_namespace: str,
    source: Source,
    *,
    server: str,
    namespace: str,
    project: str,
    cascade: bool,
) -> Body:
    """Return an Application that keeps a namespace of a cluster as the source says.

    `in_namespace` is Argo CD's own, `server` the API's address, `project` the name of its
    AppProject. Only with `cascade` the models are deleted with it.
    """
    metadata: Body = {"name": name, "namespace": in_namespace}
    if cascade:
        metadata["finalizers"] = [_CASCADE]
    return {
        "apiVersion": API_VERSION,
        "kind": "Application",
        "metadata": metadata,
        "spec": {
            "project": project,
            "source": {
                "repoURL": source.repository,
                "targetRevision": source.revision,
                "path": source.path,
                # Plain manifests are read from the top folder alone otherwise.
                "directory": {"recurse": True},
            },
            "destination": {"server": server, "namespace": namespace},
            "syncPolicy": {
                "automated": {"prune": True, "selfHeal": True},
                "syncOptions": list(_SYNC_OPTIONS),
                "retry": {
                    "limit": 10,
                    # Else a commit that cannot be applied is tried until the limit, and the one
                    # that corrects it waits so long. Known since Argo CD 3.2.
                    "refresh": True,
                    "backoff": {"duration": "5s", "factor": 2, "maxDuration": "1m"},
                },
            },
        },
    }


def app_project(
    name: str,
    in_namespace: str,
    source: Source,
    *,
    server: str,
    namespace: str,
    manifests: Sequence[Manifest],
) -> Body:
    """Return an AppProject that allows one repository, one environment and servestack's kinds.

    Objects outside of the models' namespace, such as Strimzi's KafkaTopics, are allowed where there
    are any. Of cluster-wide kinds, only a Namespace is, and only if it is rendered.
    """
    elsewhere = sorted({one.namespace for one in manifests} - {"", namespace})
    kinds = {(kind.group, kind.name) for kind in NAMESPACED}
    kinds |= {
        (kind.group, kind.name)
        for kind in (KINDS[one.api_version, one.kind] for one in manifests)
        if kind.is_elsewhere
    }
    has_namespace = any(one.kind == NAMESPACE.name for one in manifests)
    return {
        "apiVersion": API_VERSION,
        "kind": "AppProject",
        "metadata": {"name": name, "namespace": in_namespace},
        "spec": {
            "description": f"Models that servestack renders for the namespace {namespace}.",
            "sourceRepos": [source.repository],
            "destinations": [
                {"server": server, "namespace": one} for one in (namespace, *elsewhere)
            ],
            # An empty list allows no cluster-wide kind.
            "clusterResourceWhitelist": (
                [{"group": NAMESPACE.group, "kind": NAMESPACE.name}] if has_namespace else []
            ),
            "namespaceResourceWhitelist": [
                {"group": group, "kind": kind} for group, kind in sorted(kinds)
            ],
        },
    }
