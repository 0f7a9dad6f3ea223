"""The volumes that a spec adds to the pods, and where containers see them."""

from __future__ import annotations

from collections.abc import Sequence

from servestack.manifests.manifest import Body
from servestack.manifests.scheduling import written
from servestack.resolve.resolved import ResolvedService
from servestack.spec.volumes import ClaimSpec, ProjectedSource, Volume, VolumeMount


def own_volumes(service: ResolvedService) -> list[Body]:
    """The volumes of the spec."""
    return [{"name": volume.name} | _source(volume) for volume in service.spec.volumes]


def server_mounts(service: ResolvedService) -> list[Body]:
    """Where the server's container sees the volumes of the spec."""
    return [
        _mount(volume, volume.name, volume.mount_path, volume.sub_path, volume.read_only)
        for volume in service.spec.volumes
        if volume.mount_path is not None
    ]


def container_mounts(service: ResolvedService, mounts: Sequence[VolumeMount]) -> list[Body]:
    """Where another container sees the volumes of the spec that it names."""
    volumes = {volume.name: volume for volume in service.spec.volumes}
    return [
        _mount(volumes[mount.name], mount.name, mount.mount_path, mount.sub_path, mount.read_only)
        for mount in mounts
    ]


def _mount(
    volume: Volume, name: str, path: str, sub_path: str | None, read_only: bool | None
) -> Body:
    body: Body = {"name": name, "mountPath": path}
    if sub_path is not None:
        body["subPath"] = sub_path
    if read_only if read_only is not None else not volume.begins_empty:
        body["readOnly"] = True
    return body


def _source(volume: Volume) -> Body:
    if volume.image is not None:
        image = volume.image
        return {"image": {"reference": image.reference, "pullPolicy": image.pull_policy}}
    if volume.ephemeral is not None:
        claim = _claim(volume.ephemeral.volume_claim_template.spec)
        return {"ephemeral": {"volumeClaimTemplate": {"spec": claim}}}
    if volume.projected is not None:
        return {"projected": {"sources": [_projected(given) for given in volume.projected.sources]}}
    if volume.csi is not None:
        # Drivers of Secrets and certificates refuse to mount a volume that may be written.
        return {"csi": written(volume.csi) | {"readOnly": volume.read_only is not False}}
    kinds = {
        "persistentVolumeClaim": volume.persistent_volume_claim,
        "configMap": volume.config_map,
        "secret": volume.secret,
        "emptyDir": volume.empty_dir,
    }
    return {name: written(given) for name, given in kinds.items() if given is not None}


def _projected(given: ProjectedSource) -> Body:
    token = given.service_account_token
    if token is not None:
        return {
            "serviceAccountToken": {
                "audience": token.audience,
                "expirationSeconds": token.expiration_seconds,
                "path": token.path,
            }
        }
    return written(given)


def _claim(claim: ClaimSpec) -> Body:
    body: Body = {
        "accessModes": list(claim.access_modes),
        "resources": {"requests": {"storage": claim.resources.requests.storage}},
        # The API fills this in; written out, a comparison with the cluster finds no difference.
        "volumeMode": "Filesystem",
    }
    if claim.storage_class_name is not None:
        body["storageClassName"] = claim.storage_class_name
    return body
