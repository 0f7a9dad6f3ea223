"""What applying would change in a cluster, and who changed it from what was declared.

Each object is compared with the answer of the API's own dry run. So whatever the API, its
controllers or others add is the same on both sides, and only what applying would set differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

from servestack.errors import ClusterError, Problem
from servestack.live.client import CONNECTIONS, Cluster
from servestack.live.failures import RefusedError
from servestack.live.objects import Compared, Listed, compare_object, plain
from servestack.live.ownership import MANAGED_BY_LABEL, foreign_writer
from servestack.manifests.kinds import NAMESPACE, NAMESPACED, WORKLOADS, Kind, Resource
from servestack.manifests.manifest import ENVIRONMENT_GROUP, Manifest
from servestack.manifests.names import MANAGED_BY
from servestack.review.diff import key_of_manifest
from servestack.review.effects import effects_of
from servestack.review.summary import FieldReview, GroupReview, ObjectReview, Review, review
from servestack.words import counted

T = TypeVar("T")
R = TypeVar("R")


def review_live(
    environment: str,
    context: str,
    cluster: Cluster,
    namespace: str,
    manifests: Sequence[Manifest],
) -> Review:
    """Compare what is declared with what the namespace of a cluster holds.

    An object that cannot be compared becomes a problem of the review. Raises ClusterError if
    nothing can be compared at all.
    """
    if not _has_namespace(cluster, namespace):
        _check_namespace_is_declared(namespace, manifests)
        return review(environment, f"cluster {context}", (), manifests)
    listed = _in_parallel(lambda kind: _list(cluster, kind, namespace), NAMESPACED)
    of_kind = dict(zip(NAMESPACED, listed, strict=True))
    found = _in_parallel(lambda manifest: compare_object(cluster, manifest, of_kind), manifests)
    return _review(environment, context, found, _left_over(of_kind, manifests))


def _review(
    environment: str, context: str, found: Sequence[Compared], left_over: Sequence[Manifest]
) -> Review:
    known = [item for item in found if item.problem is None]
    old = [replace(i.declared, body=plain(i.live)) for i in known if i.live is not None]
    new = [
        i.declared if i.desired is None else replace(i.declared, body=plain(i.desired))
        for i in known
    ]
    by_key = {key_of_manifest(item.declared): item for item in known}
    without_writers = review(environment, f"cluster {context}", [*old, *left_over], new)
    groups = []
    for group in without_writers.groups:
        objects = tuple(_with_writers(item, by_key.get(item.key)) for item in group.objects)
        groups.append(GroupReview(group.group, objects, tuple(_causes(objects))))
    problems = dict.fromkeys(item.problem for item in found if item.problem is not None)
    return replace(without_writers, groups=tuple(groups), problems=tuple(problems))


def _has_namespace(cluster: Cluster, namespace: str) -> bool:
    try:
        return cluster.get(NAMESPACE, "", namespace) is not None
    except RefusedError:
        # An account with rights inside the namespace alone may not read the Namespace object.
        return True


def _check_namespace_is_declared(namespace: str, manifests: Sequence[Manifest]) -> None:
    if not any(m.kind == NAMESPACE.name and m.name == namespace for m in manifests):
        message = f"the cluster has no namespace {namespace!r}, and the environment declares none"
        hint = f"run `kubectl create namespace {namespace}`, or remove `createNamespace: false`"
        raise ClusterError(Problem("SRV536", message, hint=hint))


def _in_parallel(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        try:
            return list(pool.map(work, items))
        except BaseException:
            # Otherwise each remaining request would wait for a cluster that does not answer.
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _list(cluster: Cluster, kind: Resource, namespace: str) -> Listed:
    try:
        items = cluster.list(kind, namespace, f"{MANAGED_BY_LABEL}={MANAGED_BY}")
    except RefusedError as error:
        return error.problems[0]
    if items is None:
        message = f"the cluster does not know {kind.name} of {kind.api_version}"
        return Problem("SRV537", message, hint="install its CustomResourceDefinition")
    return {item["metadata"]["name"]: item for item in items}


def _left_over(of_kind: dict[Kind, Listed], manifests: Sequence[Manifest]) -> list[Manifest]:
    """Objects with our label that nobody declares, except those that a controller made."""
    declared = {(manifest.api_version, manifest.kind, manifest.name) for manifest in manifests}
    found = []
    for kind, listed in of_kind.items():
        items = {} if isinstance(listed, Problem) else listed
        for name, body in items.items():
            metadata = body["metadata"]
            if (kind.api_version, kind.name, name) in declared or metadata.get("ownerReferences"):
                continue
            group = metadata["labels"].get("app.kubernetes.io/name", ENVIRONMENT_GROUP)
            found.append(Manifest(group, "", "", "", plain(body)))
    return found


def _with_writers(item: ObjectReview, compared: Compared | None) -> ObjectReview:
    if item.operation == "remove":
        # Pulumi deletes what its state holds; `kubectl apply` deletes nothing.
        (field,) = item.fields
        effects = tuple(
            replace(e, words=f"left over, nobody declares it; once deleted: {e.words}")
            for e in field.effects
        )
        return replace(item, fields=(replace(field, effects=effects),))
    if compared is None or compared.live is None or compared.desired is None:
        return item
    live, desired = compared.live, compared.desired
    if _is_handed_over(compared.declared):
        item = replace(item, fields=tuple(map(_without_count, item.fields)))
    fields = (
        # Nobody wrote a field that does not exist.
        field
        if field.change.operation == "add"
        else replace(field, changed_by=foreign_writer(live, desired, field.change.path))
        for field in item.fields
    )
    return replace(item, fields=tuple(fields))


def _is_handed_over(declared: Manifest) -> bool:
    """Whether the count of pods is left to an autoscaler."""
    return declared.kind in WORKLOADS and "replicas" not in declared.body["spec"]


def _without_count(field: FieldReview) -> FieldReview:
    """The dry run shows the API's default in place of a count that is no longer declared."""
    if field.change.path != ("spec", "replicas") or field.change.operation != "change":
        return field
    return replace(field, effects=effects_of(replace(field.change, operation="remove", new=None)))


def _causes(objects: Iterable[ObjectReview]) -> Iterator[str]:
    for item in objects:
        by_writer: dict[tuple[str, str], list[FieldReview]] = {}
        for field in item.fields:
            if field.changed_by is not None:
                writer = (field.changed_by.manager, field.changed_by.time)
                by_writer.setdefault(writer, []).append(field)
        for (manager, time), fields in by_writer.items():
            what = fields[0].change.field if len(fields) == 1 else counted(len(fields), "field")
            yield f"drift: {manager} changed {what} of {item.key} at {time}"
