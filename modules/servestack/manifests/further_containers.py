"""The containers that a spec adds: init containers and sidecars."""

from __future__ import annotations

from servestack.manifests.manifest import Body
from servestack.manifests.security import container_security_context
from servestack.manifests.volumes import container_mounts
from servestack.resolve.resolved import ResolvedService
from servestack.spec.containers import ContainerResources, InitContainer, Sidecar
from servestack.spec.variables import EnvironmentVariable


def further_containers(service: ResolvedService) -> list[Body]:
    """The spec's init containers, then its sidecars, which outlive the server.

    A sidecar is a native one, an init container that restarts (Kubernetes 1.29): it starts before
    the artifacts are fetched, and is stopped after the server and Filebeat.
    """
    spec = service.spec
    return [_container(service, given) for given in (*spec.init_containers, *spec.sidecars)]


def _container(service: ResolvedService, given: InitContainer) -> Body:
    sidecar = given if isinstance(given, Sidecar) else None
    ports = sidecar.ports if sidecar is not None else ()
    body: Body = {
        "name": given.name,
        "image": given.image.reference,
        "imagePullPolicy": given.image.pull_policy,
        "restartPolicy": "Always" if sidecar is not None else "",
        "command": list(given.command),
        "args": list(given.args),
        "env": variables(given.env),
        "ports": [port.model_dump(mode="json", by_alias=True, exclude_none=True) for port in ports],
        "resources": _resources(given.resources),
        "securityContext": container_security_context(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": container_mounts(service, given.volume_mounts),
    }
    return {name: value for name, value in body.items() if value}


def _resources(resources: ContainerResources) -> Body:
    """Requests and limits. What the spec leaves out is missing, and refused by SRV602."""
    limits, disk = resources.limits, resources.limits.ephemeral_storage
    return {
        "requests": _known(
            cpu=resources.cpu or limits.cpu,
            memory=resources.memory or limits.memory,
            disk=disk,
        ),
        "limits": _known(
            cpu=limits.cpu or resources.cpu,
            memory=limits.memory or resources.memory,
            disk=disk,
        ),
    }


def _known(*, cpu: str | None, memory: str | None, disk: str) -> dict[str, str]:
    amounts = {"cpu": cpu, "memory": memory, "ephemeral-storage": disk}
    return {name: amount for name, amount in amounts.items() if amount is not None}


def variables(given: tuple[EnvironmentVariable, ...]) -> list[Body]:
    """Environment variables of a container."""
    bodies: list[Body] = []
    for variable in given:
        if variable.value_from is not None:
            reference = {"name": variable.value_from.secret, "key": variable.value_from.key}
            bodies.append({"name": variable.name, "valueFrom": {"secretKeyRef": reference}})
        else:
            # The API drops an empty value, which means the same.
            value = {"value": variable.value} if variable.value else {}
            bodies.append({"name": variable.name, **value})
    return bodies
