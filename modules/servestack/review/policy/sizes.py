"""Rules on objects that are too large for a way of applying them."""

from __future__ import annotations

import json
from collections.abc import Iterator

from servestack.manifests.manifest import Body
from servestack.review.policy.rule import Subject, Violation, rule

LAST_APPLIED_BYTES = 256 * 1024
"""The API's limit of all annotations of an object. A client-side `kubectl apply` keeps a copy of
the object in one of them."""


@rule("SRV683", "warning", "can be applied in every way")
def size_as_encoded(subject: Subject) -> Iterator[Violation]:
    for manifest in subject.manifests:
        size_bytes = encoded_bytes(manifest.body)
        if size_bytes > LAST_APPLIED_BYTES:
            yield Violation(
                ("api", "input"),
                f"{manifest.kind} {manifest.name} has {size_bytes} bytes as JSON; a client-side "
                f"kubectl apply can keep {LAST_APPLIED_BYTES} in its annotation, and fails",
                "apply with --server-side; in Argo CD set the sync option ServerSideApply=true",
            )


def encoded_bytes(body: Body) -> int:
    """The size of an object in the annotation of kubectl, which escapes <, > and & as Go does."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode()) + 5 * sum(map(text.count, "<>&")) + len("\n")
