"""Where the tests of a whole cluster run: kind, the native node, or what KUBECONFIG names."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from tools.cluster.ready import find_kubectl

from tests.support.tools import installed


class NoClusterError(Exception):
    """There is none of this kind here; the message says why."""


@dataclass(frozen=True)
class TestCluster:
    """A running cluster. `host` is how its pods reach this machine; `ingress` is the address of
    its ingress controller from here, empty where it has none."""

    __test__ = False
    kind: str
    kubeconfig: Path
    host: str
    ingress: str
    has_metrics: bool
    load_image: Callable[[Path], None]

    @property
    def context(self) -> str:
        name: str = yaml.safe_load(self.kubeconfig.read_text())["current-context"]
        return name


@contextmanager
def running_cluster(kind: str, folder: Path) -> Iterator[TestCluster]:
    """The cluster of that kind, taken down afterwards where it was made here."""
    chosen = choose() if kind == "auto" else kind
    with {"kind": _kind, "native": _native, "current": _current}[chosen](folder) as cluster:
        yield cluster


def choose() -> str:
    """kind where a Docker daemon answers, else the native node."""
    docker = shutil.which("docker")
    if docker is None:
        return "native"
    asked = subprocess.run([docker, "info"], capture_output=True, check=False, timeout=30)
    return "kind" if asked.returncode == 0 else "native"


@contextmanager
def _native(folder: Path) -> Iterator[TestCluster]:
    from tools.cluster import native
    from tools.cluster.state import ClusterError

    name = "test"
    try:
        cluster = native.start(name)
    except ClusterError as error:
        raise NoClusterError(str(error)) from None
    try:
        yield TestCluster(
            "native", cluster.kubeconfig, cluster.node_ip, cluster.url, True, cluster.load_image
        )
    finally:
        native.stop(name)


@contextmanager
def _kind(folder: Path) -> Iterator[TestCluster]:
    from pytest_kind.cluster import KindCluster

    kind = installed("kind")
    cluster = KindCluster(
        "servestack-test", folder / "kubeconfig", kind_path=kind, kubectl_path=Path(find_kubectl())
    )
    cluster.create()

    def load_image(archive: Path) -> None:
        command = [kind, "load", "image-archive", archive, "--name", cluster.name]
        subprocess.run(command, check=True)

    try:
        yield TestCluster("kind", folder / "kubeconfig", _own_address(), "", False, load_image)
    finally:
        cluster.delete()


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
