"""How objects are created, updated and let go of, as the official plugin does it.

After its source, provider/pkg/await/await.go of pulumi-kubernetes 4.32.
"""

from __future__ import annotations

from tests.support.kubernetes_client import CREATING_MANAGER, ApiError, Body, KubernetesClient
from tests.support.kubernetes_provider.session import Session

_FORCE = "pulumi.com/patchForce"
_TAKEN_OVER = (
    ("kubectl", "Apply"),
    ("kubectl", "Update"),
    ("before-first-apply", "Update"),
    (CREATING_MANAGER, "Update"),
)
"""Managers whose fields the first server-side apply of a resource takes over."""
_EXISTS = """{words}

The resource already exists in the cluster. This can happen when:

  - Renaming a Pulumi resource: use an alias to preserve the identity,
    or use deleteBeforeReplace if the resource needs replacement.
  - Managing an existing resource: use a Patch resource (e.g. NamespacePatch)
    to manage specific fields without owning the resource lifecycle.
  - Intentional upsert: set upsertExistingObjects on the provider to allow
    server-side apply to update existing objects on create."""
_HELP = "https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/managing-resources-with-server-side-apply/#handle-field-conflicts-on-existing-resources"


def is_patch(urn: str, body: Body) -> bool:
    """Whether a resource only owns fields of an object that may be somebody else's."""
    return urn.split("::")[2].rpartition(":")[2] == f"{body['kind']}Patch"


def create(session: Session, body: Body, manager: str, *, patch: bool) -> Body:
    """Create; a patch, or anything where the provider upserts, updates an object that exists."""
    if session.upserts or patch:
        return _apply(session.client, body, manager, force=_forces(session, body))
    try:
        return session.client.create(body)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
        raise ApiError(_EXISTS.format(words=error), error.reason) from None


def preview_create(session: Session, body: Body) -> None:
    """A dry run. What may be there by the time of the update, or what nobody may ask, is no error."""
    try:
        session.client.create(body, dry_run=True)
    except ApiError as error:
        without_namespace = error.reason == "NotFound" and error.kind == "namespaces"
        if not without_namespace and error.reason not in ("AlreadyExists", "Forbidden"):
            raise


def update(session: Session, body: Body, manager: str, *, patch: bool) -> Body:
    """Server-side apply, after taking over what was not applied server-side before."""
    live = _existing(session.client, body)
    if not patch:
        _take_over(session.client, live, manager)
    force = _forces(session, body) or not live["metadata"].get("managedFields")
    return _apply(session.client, body, manager, force=force)


def preview_update(session: Session, body: Body, manager: str) -> None:
    """A dry run, in which what a real update takes over first is no conflict."""
    entries = _existing(session.client, body)["metadata"].get("managedFields", [])
    created = any((e["manager"], e["operation"]) == (CREATING_MANAGER, "Update") for e in entries)
    force = _forces(session, body) or created or not entries
    try:
        _apply(session.client, body, manager, force=force, dry_run=True)
    except ApiError as error:
        if error.reason != "Forbidden":
            raise


def relinquish(client: KubernetesClient, body: Body, manager: str) -> None:
    """Give the fields back: those that nobody else owns go, the object stays.

    As in the official plugin this is an apply of nothing: where the object is gone, it makes it.
    """
    identity = {
        key: body["metadata"][key] for key in ("name", "namespace") if key in body["metadata"]
    }
    bare = {"apiVersion": body["apiVersion"], "kind": body["kind"], "metadata": identity}
    client.apply(bare, manager=manager, force=False)


def _existing(client: KubernetesClient, body: Body) -> Body:
    live = client.get(body)
    if live is None:
        raise ApiError(f'"{body["metadata"]["name"]}" not found', "NotFound")
    return live


def _forces(session: Session, body: Body) -> bool:
    return session.forces or body["metadata"].get("annotations", {}).get(_FORCE) == "true"


def _take_over(client: KubernetesClient, live: Body, manager: str) -> None:
    entries = live["metadata"].get("managedFields", [])
    kept = [e for e in entries if (e["manager"], e["operation"]) not in _TAKEN_OVER]
    taken = [e for e in entries if e not in kept and "subresource" not in e]
    if not taken:
        return
    own = [e for e in kept if (e["manager"], e["operation"]) == (manager, "Apply")]
    fields: Body = {}
    for entry in (*own, *taken):
        fields = _union(fields, entry["fieldsV1"])
    mine = {**taken[0], "manager": manager, "operation": "Apply", "fieldsV1": fields}
    client.replace_managers(live, [e for e in kept if e not in own] + [mine])


def _apply(
    client: KubernetesClient, body: Body, manager: str, *, force: bool, dry_run: bool = False
) -> Body:
    try:
        return client.apply(body, manager=manager, force=force, dry_run=dry_run)
    except ApiError as error:
        if error.reason != "Conflict":
            raise
        raise ApiError(
            f"server-side apply field conflict detected, see {_HELP} for troubleshooting help\n"
            f'The resource managed by field manager "{manager}" had an apply conflict: {error}',
            error.reason,
        ) from None


def _union(one: Body, other: Body) -> Body:
    """Two trees of fieldsV1 as one."""
    both = {key: _union(one[key], other[key]) for key in one.keys() & other.keys()}
    return {**one, **other, **both}
