"""Containers that run beside, or before, the model server.

Their security context is servestack's: no root, no privileges, a read-only root file system. They
write to volumes.
"""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from servestack.spec.base import DnsLabel, Port, SpecModel
from servestack.spec.image import Image
from servestack.spec.patterns import described
from servestack.spec.quantities import Cpu, Memory
from servestack.spec.variables import EnvironmentVariable
from servestack.spec.volumes import VolumeMount

PORT_NAME = described(
    r"^[a-z0-9]*[a-z]([a-z0-9-]*[a-z0-9])?$",
    "a port's name: up to 15 lower-case letters, digits and '-', with a letter",
)
Argument = Annotated[str, StringConstraints(max_length=4000)]


class ContainerLimits(SpecModel):
    """Resource limits of a container. CPU and memory default to its requests."""

    cpu: Cpu | None = Field(default=None, description="CPU limit.")
    memory: Memory | None = Field(default=None, description="Memory limit.")
    ephemeral_storage: Memory = Field(
        default="128Mi", description="Disk for its log and for emptyDir volumes."
    )


class ContainerResources(SpecModel):
    """Resource requests of a container. CPU and memory are required, here or as limits."""

    cpu: Cpu | None = Field(default=None, description="CPU that the cluster reserves.")
    memory: Memory | None = Field(default=None, description="Memory that the cluster reserves.")
    limits: ContainerLimits = Field(
        default=ContainerLimits.model_construct(), description="Resource limits of the container."
    )


class ContainerPort(SpecModel):
    """A port that a container listens on. It informs the reader and opens nothing."""

    name: Annotated[str, StringConstraints(pattern=PORT_NAME, max_length=15)] | None = Field(
        default=None, description="Name of the port."
    )
    container_port: Port = Field(description="Number of the port.")
    protocol: Literal["TCP", "UDP"] = Field(default="TCP", description="Protocol.")


class InitContainer(SpecModel):
    """A container that must succeed before the next one starts."""

    name: DnsLabel = Field(description="Name of the container.")
    image: Image = Field(description="Its image. It must run as any user, not as root.")
    command: tuple[Argument, ...] = Field(
        default=(), description="Entry point. Default: the image's."
    )
    args: tuple[Argument, ...] = Field(default=(), description="Arguments of the entry point.")
    env: tuple[EnvironmentVariable, ...] = Field(default=(), description="Environment variables.")
    resources: ContainerResources = Field(
        default=ContainerResources.model_construct(), description="CPU and memory; required."
    )
    volume_mounts: tuple[VolumeMount, ...] = Field(
        default=(), description="Which of `volumes` the container sees, and where."
    )


class Sidecar(InitContainer):
    """A container that runs beside the server: it starts before it, and stops after it."""

    ports: tuple[ContainerPort, ...] = Field(
        default=(), description="Ports that the container listens on."
    )
