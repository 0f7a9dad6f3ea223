"""Rules on objects that are too large for a way of applying them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec

from servestack.manifests.manifest import Body
from servestack.review.policy.rule import Subject, Violation, rule

ANNOTATION_BYTES = 256 * 1024
"""The API's limit of all annotations of an object together, their keys included."""
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""The annotation in which a client-side `kubectl apply` keeps a copy of the object."""


@rule("SRV683", "warning", "can be applied in every way")
def size_as_encoded(subject: Subject) -> Iterator[Violation]:
    for manifest in subject.manifests:
        if _is_small(manifest.body):
            continue
        size_bytes = annotation_bytes(manifest.body)
        if size_bytes > ANNOTATION_BYTES:
            yield Violation(
                ("api", "input"),
                f"{manifest.kind} {manifest.name} has {size_bytes} bytes as JSON; a client-side "
                f"kubectl apply keeps a copy in an annotation, which takes {ANNOTATION_BYTES}",
                "apply with --server-side; in Argo CD set the sync option ServerSideApply=true",
            )


def _is_small(body: Body) -> bool:
    """Whether a body is far below the limit, which is told ten times as fast as its size.

    A byte becomes six at most; an object's annotations stand in it already.
    """
    return 7 * (len(msgspec.json.encode(body)) + 100) < ANNOTATION_BYTES


def annotation_bytes(body: Body) -> int:
    """The size of an object's annotations after a client-side `kubectl apply`, in bytes."""
    metadata = {"annotations": {}} | body["metadata"]
    text = json.dumps(body | {"metadata": metadata}, ensure_ascii=False, separators=(",", ":"))
    # kubectl ends it with a newline, and writes these characters as Go does: \u003c.
    copy_bytes = len(text.encode()) + 1 + 5 * sum(map(text.count, "<>&"))
    others = sum(len(f"{key}{value}".encode()) for key, value in metadata["annotations"].items())
    return copy_bytes + len(LAST_APPLIED) + others
