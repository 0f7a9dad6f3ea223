"""Rules that the environment switches on."""

from __future__ import annotations

from collections.abc import Iterator

from servestack.resolve.addresses import encrypted_hosts
from servestack.review.policy.rule import Path, Subject, Violation, rule
from servestack.spec.environment import Gateway
from servestack.spec.image import Image
from servestack.spec.pod_rules import containers_of


@rule("SRV641", "error", "runs as many pods as the environment asks for")
def replica_bounds(subject: Subject) -> Iterator[Violation]:
    rails, spec = subject.service.environment.guard_rails, subject.service.spec
    scaling = spec.autoscaling
    low = scaling.min if scaling else spec.replicas or 0
    high = scaling.max if scaling else spec.replicas or 0
    if low < rails.min_replicas:
        yield Violation(
            ("autoscaling", "min") if scaling else ("replicas",),
            f"{low} is below the environment's guardRails.minReplicas {rails.min_replicas}",
            f"set {rails.min_replicas} or more",
        )
    if high > rails.max_replicas:
        yield Violation(
            ("autoscaling", "max") if scaling else ("replicas",),
            f"{high} is above the environment's guardRails.maxReplicas {rails.max_replicas}",
            f"set {rails.max_replicas} or less",
        )


@rule("SRV642", "error", "runs images that are pinned where the environment asks for it")
def pinned_images(subject: Subject) -> Iterator[Violation]:
    service = subject.service
    required = service.environment.guard_rails.require_image_digest
    images: list[tuple[Path, Image, bool]] = [(("images", "server"), service.image, True)]
    if service.spec.image is not None and service.spec.image.repository is not None:
        images = [(("image",), service.image, False)]
    for at, container in containers_of(service.spec):
        images.append(((*at, "image"), container.image, False))
    for index, volume in enumerate(service.spec.volumes):
        if volume.image is not None:
            images.append((("volumes", index, "image"), volume.image, False))
    if service.topics.shipped():
        images.append((("images", "filebeat"), service.environment.images.filebeat, True))
    for path, image, of_environment in images:
        if image.digest is not None:
            continue
        if required:
            message, hint = f"{image.reference} has no digest", "set digest: sha256:…"
        elif image.tag in (None, "latest"):
            message, hint = f"{image.reference} names no version", "set a tag other than latest"
        else:
            continue
        yield Violation(path, message, hint, environment=of_environment)


@rule("SRV643", "error", "has an owner where the environment asks for one")
def owned(subject: Subject) -> Iterator[Violation]:
    if subject.service.environment.guard_rails.require_owner and not subject.service.spec.owner:
        yield Violation(("owner",), "the model has no owner", "set owner: <team>")


@rule("SRV644", "error", "is reached by TLS where the environment asks for it")
def encrypted(subject: Subject) -> Iterator[Violation]:
    service = subject.service
    if not service.environment.guard_rails.require_tls:
        return
    encrypted = encrypted_hosts(service.spec, service.environment)
    plain = [host for host in service.hosts if host not in encrypted]
    if plain:
        hint = "set ingress.tls.secret, or set ingress.tls in the environment"
        if isinstance(service.environment.ingress, Gateway):
            hint = "set ingress.tls in the environment if the Gateway's listener terminates TLS"
        yield Violation(("ingress", "tls"), f"{', '.join(plain)} answers without TLS", hint)


@rule("SRV645", "error", "is patched no more often than the environment allows")
def limited_patches(subject: Subject) -> Iterator[Violation]:
    count = len(subject.service.spec.patches)
    most = subject.service.environment.guard_rails.max_patches
    if most is not None and count > most:
        yield Violation(
            ("patches", most),
            f"{count} patches are more than the environment's guardRails.maxPatches {most}",
            "say it with other fields of the spec, or ask who keeps the environment",
        )


@rule("SRV646", "note", "needs no patch")
def patched_objects(subject: Subject) -> Iterator[Violation]:
    for manifest in subject.manifests:
        for patch in manifest.patches:
            yield Violation(
                ("patches", patch.number),
                f"{manifest.kind} {manifest.name} is patched in fields that the spec has no words for",
            )
