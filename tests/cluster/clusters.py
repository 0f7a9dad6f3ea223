"""Where the tests of a whole cluster run: kind, or what KUBECONFIG names."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.cluster.host_machine import came_in_between, snapshot

NAME = "test"
"""Of the one that is made here."""
_OF_A_CLUSTER = {"processes", "mounts", "links", "addresses", "rules", "cgroups", "files"}


class NoClusterError(Exception):
    """There is none of this kind here; the message says why."""


@dataclass(frozen=True)
class TestCluster:
    """A running cluster. `host` is how its pods reach this machine; `ingress` is the address of
    its ingress controller from here, empty where it has none. It came up in `seconds`, where it was
    made here."""

    __test__ = False
    kind: str
    kubeconfig: Path
    host: str
    ingress: str
    has_metrics: bool
    load_image: Callable[[Path], None]
    seconds: float | None = None

    @property
    def context(self) -> str:
        name: str = yaml.safe_load(self.kubeconfig.read_text())["current-context"]
        return name


@contextmanager
def running_cluster(kind: str, folder: Path) -> Iterator[TestCluster]:
    """The cluster of that kind, taken down afterwards where it was made here.

    AssertionError where it then leaves anything behind on this machine.
    """
    with _current(folder) if kind == "current" else _kind() as cluster:
        yield cluster


@contextmanager
def _kind() -> Iterator[TestCluster]:
    from tools.cluster import kind
    from tools.cluster.state import ClusterError
    from tools.images import docker

    reason = kind.obstacle()
    if reason is not None:
        raise NoClusterError(reason)
    before = snapshot(NAME)
    started = time.monotonic()
    try:
        cluster = kind.start(NAME, workers=1)
    except ClusterError as error:
        raise RuntimeError(str(error)) from None
    seconds = time.monotonic() - started
    try:
        came = came_in_between(before, snapshot(NAME)).keys()
        # Else the look at the machine would not see what is left behind either.
        assert docker.answers() or came >= _OF_A_CLUSTER
        yield TestCluster(
            "kind", cluster.kubeconfig, cluster.host, cluster.url, True, cluster.load_image, seconds
        )
    finally:
        kind.stop(NAME)
    if not docker.answers():  # Docker has its own leftovers.
        left = came_in_between(before, snapshot(NAME))
        assert left == {}, left


@contextmanager
def _current(folder: Path) -> Iterator[TestCluster]:
    given = os.environ.get("KUBECONFIG", "")
    if not Path(given).is_file():
        raise NoClusterError("--cluster=current takes KUBECONFIG, which names no file")

    def refuse(archive: Path) -> None:
        raise NoClusterError(
            f"--cluster=current loads no images: bring {archive.name} to its nodes "
            "and set SERVESTACK_IMAGES_LOADED=1"
        )

    loaded = bool(os.environ.get("SERVESTACK_IMAGES_LOADED"))
    yield TestCluster(
        "current", Path(given), _own_address(), os.environ.get("SERVESTACK_INGRESS", ""),
        bool(os.environ.get("SERVESTACK_METRICS")), (lambda archive: None) if loaded else refuse,
    )  # fmt: skip


def _own_address() -> str:
    """This machine's address on its way out; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])
