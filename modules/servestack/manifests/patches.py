"""Applies a spec's patches to the objects of a model, after they are built."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from servestack.errors import BuildError, Problem
from servestack.manifests import names
from servestack.manifests.kinds import WORKLOADS
from servestack.manifests.manifest import AppliedPatch, Body, Manifest
from servestack.manifests.shadow import SHADOW
from servestack.manifests.strategic_merge import MergeError, Path, merge_patch
from servestack.manifests.workload import CONFIG_DIGEST, config_digest
from servestack.resolve.resolved import ResolvedService
from servestack.spec.document import dotted
from servestack.spec.patches import Patch

PATCHES = f"{names.LABEL_DOMAIN}/patches"
"""Annotation of a patched object: where its patches are written."""

_IDENTITY: tuple[Path, ...] = (
    ("apiVersion",),
    ("kind",),
    ("metadata", "name"),
    ("metadata", "namespace"),
    ("spec", "selector"),
    ("spec", "podSelector"),
    ("spec", "scaleTargetRef"),
)
"""What makes an object this one, and connects the model's objects with each other."""
_METADATA: tuple[Path, ...] = (("metadata",), ("spec", "template", "metadata"))
_CONTAINERS: Path = ("spec", "template", "spec", "containers")
_OWN = ("app.kubernetes.io/", f"{names.LABEL_DOMAIN}/")
"""Beginnings of the labels and annotations by which servestack finds its objects again."""


def apply_patches(service: ResolvedService, manifests: Sequence[Manifest]) -> list[Manifest]:
    """Return the manifests with the spec's patches merged into them, in their order.

    A patched manifest keeps its body as it was built in `unpatched`. Raises BuildError with every
    patch that has no object (SRV162), would make it another object (SRV163), or cannot be merged
    (SRV164), each at its line.
    """
    result = list(manifests)
    problems: list[Problem] = []
    for number, patch in enumerate(service.spec.patches):
        place = _target(patch, result)
        if place is None:
            problems.append(_without_target(service, number, patch, result))
            continue
        before = result[place]
        try:
            after = _merged(service, number, before)
        except MergeError as error:
            path = (*_path(number), *error.path)
            problems.append(_problem(service, "SRV164", path, str(error)))
            continue
        changed = list(_identity_problems(service, number, before.body, after.body))
        problems += changed
        result[place] = before if changed else after
    if problems:
        raise BuildError(problems)
    return _with_digest(service, result)


def _target(patch: Patch, manifests: Sequence[Manifest]) -> int | None:
    """Return the index of the object that a patch means; None without one, or among several."""
    found = [
        index
        for index, manifest in enumerate(manifests)
        if manifest.kind == patch.kind and patch.name in (None, manifest.name)
    ]
    if patch.name is None:
        # Without a name a patch means the model's own object, and goes on to do so with a shadow.
        found = [index for index in found if manifests[index].concern != SHADOW]
    return found[0] if len(found) == 1 else None


def _merged(service: ResolvedService, number: int, manifest: Manifest) -> Manifest:
    patch = service.spec.patches[number].patch
    body = merge_patch(manifest.body, patch)
    base = manifest.body if manifest.unpatched is None else manifest.unpatched
    metadata = body.get("metadata")
    if isinstance(metadata, dict) and isinstance(metadata.get("annotations", {}), dict):
        # Without a line: a line that moves would change the file.
        file = service.provenance.location(("patches", number)).file
        origin = f"{file.as_posix()} patches[{number}]"
        before = metadata.get("annotations", {}).get(PATCHES, "")
        told = ", ".join(filter(None, (before, origin)))
        annotations = dict(sorted({**metadata.get("annotations", {}), PATCHES: told}.items()))
        body = body | {"metadata": metadata | {"annotations": annotations}}
    applied = AppliedPatch(
        number, patch, lambda path: service.provenance.location((*_path(number), *path))
    )
    return replace(manifest, body=body, unpatched=base, patches=(*manifest.patches, applied))


def _identity_problems(
    service: ResolvedService, number: int, built: Body, patched: Body
) -> Iterator[Problem]:
    patch = service.spec.patches[number].patch
    paths = [path for path in _IDENTITY if _at(built, path) != _at(patched, path)]
    for metadata in _METADATA:
        for section in ("labels", "annotations"):
            path = (*metadata, section)
            before, after = _own(_at(built, path)), _own(_at(patched, path))
            paths += [
                (*path, key)
                for key in sorted({*before, *after})
                if before.get(key) != after.get(key)
            ]
    if _at(patch, ("metadata", "annotations", PATCHES)) is not None:
        paths.append(("metadata", "annotations", PATCHES))
    if built["kind"] in WORKLOADS and not _has_server(patched):
        paths.append(_CONTAINERS)
    told: set[Path] = set()
    for path in paths:
        written = _written(patch, path)
        if written in told:
            continue
        told.add(written)
        message = f"changes {dotted(path)} of {built['kind']}"
        hint = "a patch adds to an object and cannot make it another one: remove this"
        yield _problem(service, "SRV163", (*_path(number), *written), message, hint)


def _own(section: Any) -> dict[str, Any]:
    return {
        key: value
        for key, value in (section if isinstance(section, dict) else {}).items()
        if str(key).startswith(_OWN) and key != PATCHES
    }


def _has_server(deployment: Body) -> bool:
    containers = _at(deployment, _CONTAINERS)
    # The schema refuses what is no list.
    return not isinstance(containers, list) or any(
        isinstance(one, dict) and one.get("name") == names.SERVER_CONTAINER for one in containers
    )


def _at(body: Any, path: Path) -> Any:
    for part in path:
        body = body.get(part) if isinstance(body, dict) else None
    return body


def _written(patch: Any, path: Path) -> Path:
    """The longest part of an object's path that a patch writes; empty where it writes none of it."""
    written: list[str | int] = []
    for part in path:
        if not isinstance(patch, dict) or (part not in patch and "$patch" not in patch):
            break
        if part not in patch:
            written.append("$patch")
            break
        written.append(part)
        patch = patch[part]
    return tuple(written)


def _with_digest(service: ResolvedService, manifests: list[Manifest]) -> list[Manifest]:
    """Set the digest of the configuration anew where a patch changed what the pods read."""
    read = (names.server_config_name(service), names.filebeat_config_name(service))
    configs = {m.name: m for m in manifests if m.kind == "ConfigMap" and m.name in read}
    if not any(config.patches for config in configs.values()):
        return manifests
    digest = config_digest([configs[name].body for name in read if name in configs])
    for index, manifest in enumerate(manifests):
        if manifest.kind in WORKLOADS and manifest.concern != SHADOW:
            manifests[index] = replace(manifest, body=_with_annotation(manifest.body, digest))
    return manifests


def _with_annotation(deployment: Body, digest: str) -> Body:
    template = deployment["spec"]["template"]
    metadata = template["metadata"]
    annotations = metadata["annotations"] | {CONFIG_DIGEST: digest}
    spec = deployment["spec"] | {
        "template": template | {"metadata": metadata | {"annotations": annotations}}
    }
    return deployment | {"spec": spec}


def _without_target(
    service: ResolvedService, number: int, patch: Patch, manifests: Sequence[Manifest]
) -> Problem:
    of_kind = [manifest.name for manifest in manifests if manifest.kind == patch.kind]
    if not of_kind:
        kinds = ", ".join(dict.fromkeys(manifest.kind for manifest in manifests))
        hint = f"its kinds here are {kinds}"
        message = f"the model renders no {patch.kind} in {service.environment.name}"
        return _problem(service, "SRV162", ("patches", number, "kind"), message, hint)
    hint = f"name one of {', '.join(of_kind)}"
    if patch.name is None:
        message = f"the model renders {len(of_kind)} objects of kind {patch.kind}"
        return _problem(service, "SRV162", ("patches", number), message, hint)
    message = f"the model renders no {patch.kind} called {patch.name!r}"
    return _problem(service, "SRV162", ("patches", number, "name"), message, hint)


def _path(number: int) -> Path:
    return ("patches", number, "patch")


def _problem(
    service: ResolvedService, id: str, path: Path, message: str, hint: str = ""
) -> Problem:
    return Problem(id, message, service.provenance.location(path), dotted(path), hint)
