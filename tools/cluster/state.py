"""What a cluster has on this machine, written down before it is made.

One folder a cluster holds its certificates, logs, data and `record.json`: what `stop` reads, so that
it takes everything away also after whoever started the cluster was killed half-way.
"""

from __future__ import annotations

import json
import os
import re
import sys
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from tools.install import CACHE
from tools.locking import exclusive

CLUSTERS = CACHE.parent / "clusters"
NODE_IP = "10.88.0.1"


class ClusterError(Exception):
    """Something that the person who runs a cluster can put right; the message says what."""


@dataclass
class Process:
    """A process that was started. A pid alone may be somebody else's by now."""

    name: str
    pid: int
    start_ticks: int


@dataclass
class Record:
    """`sysctls`, `logs`, the names in each folder, and `absent`, the shared folders that were not
    there, are as found, once `machine_noted`; nothing of the machine is changed before that.
    `ready`: `start` came to its end."""

    ports: dict[str, int] = field(default_factory=dict)
    processes: list[Process] = field(default_factory=list)
    sysctls: dict[str, str] = field(default_factory=dict)
    logs: dict[str, list[str]] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    machine_noted: bool = False
    ready: bool = False


@dataclass(frozen=True)
class State:
    """The folder of the cluster called `name`."""

    name: str

    @property
    def folder(self) -> Path:
        return CLUSTERS / self.name

    @property
    def node_name(self) -> str:
        return f"servestack-{self.name}"

    @property
    def cgroup(self) -> str:
        """The parent, in every hierarchy, of all that runs in this cluster."""
        return f"servestack-{self.name}"

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def containerd_socket(self) -> Path:
        return self.folder / "containerd.sock"

    def exists(self) -> bool:
        return (self.folder / "record.json").exists()

    def read(self) -> Record:
        content = json.loads((self.folder / "record.json").read_text())
        content["processes"] = [Process(**process) for process in content["processes"]]
        # A cluster outlives a change of this program, which must still take it down.
        known = {field.name for field in fields(Record)}
        return Record(**{name: value for name, value in content.items() if name in known})

    def write(self, record: Record) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        replace_file(self.folder / "record.json", json.dumps(asdict(record), indent=1))


def named(name: str) -> State:
    """The state of a cluster, if that can be the name of one (a cgroup, a node, a folder)."""
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
