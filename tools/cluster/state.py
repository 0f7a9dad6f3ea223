"""The folder and the record of each cluster, written before the cluster is created."""

from __future__ import annotations

import json
import os
import re
import sys
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path

from tools.install import CACHE
from tools.locking import exclusive

CLUSTERS = CACHE.parent / "clusters"
KIND = CACHE.parent / "kind"
"""What all clusters share: podman's storage with the node's image, and the machine's note."""


class ClusterError(Exception):
    """A problem that whoever runs the cluster can solve; the message says how."""


@dataclass
class Record:
    """`http_port` is Traefik's port of 127.0.0.1. `ready`: `start` has completed."""

    http_port: int
    ready: bool = False


@dataclass(frozen=True)
class State:
    """The folder of the cluster called `name`."""

    name: str

    @property
    def folder(self) -> Path:
        return CLUSTERS / self.name

    @property
    def cgroup(self) -> str:
        """The control group of kind and podman; podman makes those of the nodes."""
        return f"servestack-{self.name}"

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def kind(self) -> Path:
        """The program to call as kind for this cluster."""
        return self.folder / "kind"

    def exists(self) -> bool:
        return (self.folder / "record.json").exists()

    def read(self) -> Record:
        content = json.loads((self.folder / "record.json").read_text())
        return Record(content["http_port"], content["ready"])

    def write(self, record: Record) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        replace_file(self.folder / "record.json", json.dumps(asdict(record), indent=1))


def named(name: str) -> State:
    """The state of a cluster.

    Raises ClusterError if the name cannot be that of a cgroup, a container and a folder.
    """
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", name):
        raise ClusterError(
            f"{name!r} is no name for a cluster: use at most 32 lower-case letters, digits and dashes"
        )
    return State(name)


def existing() -> list[State]:
    """Every cluster that has a record, running or not."""
    return [State(file.parent.name) for file in sorted(CLUSTERS.glob("*/record.json"))]


def replace_file(file: Path, content: str) -> None:
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.write_text(content)
    temporary.chmod(0o600)
    temporary.replace(file)


def alone() -> AbstractContextManager[None]:
    """Allow one `start` or `stop` at a time; a second one says that it waits."""
    return exclusive(
        CLUSTERS / ".lock", on_wait=lambda: say("waiting for another up or down to finish")
    )


def say(message: str) -> None:
    print(f"cluster: {message}", file=sys.stderr, flush=True)
