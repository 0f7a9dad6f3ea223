"""Where clusters are, and what each has on this machine, written down before it is made."""

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
"""What all clusters share: podman's storage with the node's image, the note of the machine."""


class ClusterError(Exception):
    """Something that the person who runs a cluster can put right; the message says what."""


@dataclass
class Record:
    """`http_port` of 127.0.0.1 leads to Traefik. `ready`: `start` came to its end."""

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
        """Where kind and podman run; the nodes have groups of podman's."""
        return f"servestack-{self.name}"

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def kind(self) -> Path:
        """kind as it is to be called for this cluster."""
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
    """The state of a cluster, if that can be the name of one (a cgroup, a container, a folder)."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", name):
        raise ClusterError(
            f"{name!r} cannot name a cluster: lower-case letters, digits and dashes, at most 32"
        )
    return State(name)


def existing() -> list[State]:
    """Every cluster that left a record, running or not."""
    return [State(file.parent.name) for file in sorted(CLUSTERS.glob("*/record.json"))]


def replace_file(file: Path, content: str) -> None:
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    temporary.write_text(content)
    temporary.chmod(0o600)
    temporary.replace(file)


def alone() -> AbstractContextManager[None]:
    """One `start` or `stop` at a time; whoever comes second waits, and says so."""
    return exclusive(
        CLUSTERS / ".lock", on_wait=lambda: say("another up or down is at work: waiting for it")
    )


def say(message: str) -> None:
    print(f"cluster: {message}", file=sys.stderr, flush=True)
