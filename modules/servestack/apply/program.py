"""The Pulumi program: what `render` would write, declared on the current stack."""

from __future__ import annotations

import os
from pathlib import Path

import pulumi
import pulumi_kubernetes

from servestack.apply.components import EnvironmentBase, ModelService
from servestack.errors import ServestackError
from servestack.manifests.manifest import ENVIRONMENT_GROUP
from servestack.project import STACKS_FOLDER, Built
from servestack.review.gate import build_checked


def declare(environment: str, root: Path) -> None:
    """Build an environment and declare it. The stack's name is the environment's.

    Problems in the specs become Pulumi's own errors, without a traceback.
    """
    try:
        built = build_checked(root, environment)
    except ServestackError as error:
        for problem in error.problems:
            pulumi.log.error(str(problem))
        raise pulumi.RunError(f"{environment} cannot be built; nothing was changed") from None
    declare_built(built)


def declare_built(built: Built) -> None:
    """Declare what was built: the base first, then each model on its own."""
    provider = _provider(built, "cluster", enable_patch_force=True)
    # Nothing is forced on a namespace that may be somebody else's (docs/adr/0011).
    shared = _provider(built, "shared", enable_patch_force=False)
    own = [m for m in built.manifests if m.group == ENVIRONMENT_GROUP]
    base = EnvironmentBase(
        built.environment.name, own, shared, pulumi.ResourceOptions(providers=[provider])
    )
    models = {}
    for service in built.services:
        manifests = [m for m in built.manifests if m.group == service.name]
        opts = pulumi.ResourceOptions(providers=[provider], depends_on=[base])
        models[service.name] = ModelService(service, manifests, opts).summary
    pulumi.export("environment", built.environment.name)
    pulumi.export("namespace", built.environment.namespace)
    pulumi.export("models", models)


def _provider(built: Built, name: str, *, enable_patch_force: bool) -> pulumi_kubernetes.Provider:
    """The cluster of the environment, never the kubeconfig's current context.

    With `enable_patch_force` an update reverts what somebody else has changed in an object of
    ours, as the preview says. Creating an object that exists is refused either way.
    """
    cluster = built.environment.cluster
    return pulumi_kubernetes.Provider(
        name,
        kubeconfig=_kubeconfig(cluster.kubeconfig),
        context=cluster.context,
        enable_server_side_apply=True,
        enable_patch_force=enable_patch_force,
        # A changed ConfigMap is updated in place; pods restart by the digest in their template.
        enable_config_map_mutable=True,
    )


def _kubeconfig(path: str | None) -> str:
    """A kubeconfig as the plugin takes it, the same on every machine that shares the state.

    The plugin expands `~` itself and runs in stacks/, the folder of the program. Empty means
    KUBECONFIG, which may be a list of files, or ~/.kube/config; with None the SDK would put the
    value of KUBECONFIG itself into the state, where it is wrong for everybody else.
    """
    if path is None:
        return ""
    if path.startswith(("~", "/")):
        return path
    return os.path.relpath(path, STACKS_FOLDER)
