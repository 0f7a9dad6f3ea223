"""A real Kubernetes cluster, made with kind: on Docker if a daemon answers, else on podman as root.

cluster = start("dev")      # returns the running one of that name, if any
cluster.load_image(archive)
stop("dev")
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import yaml
from pytest_kind.cluster import KindCluster  # type: ignore[import-untyped]

from tools.cluster import cgroups, machine, podman, ready
from tools.cluster.joining import joining
from tools.cluster.node_image import node_image, write_addon_images
from tools.cluster.state import ClusterError, Record, State, alone, existing, named, say
from tools.images import docker
from tools.install import install

_ADDONS = Path(__file__).parent / "node" / "addons.yaml"


@dataclass(frozen=True)
class Cluster:
    """A running cluster. Traefik answers at `http_port` of 127.0.0.1."""

    name: str
    kubeconfig: Path
    http_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def node_ip(self) -> str:
        """Where NodePorts answer."""
        return ready.Kubectl(self.kubeconfig).node_address()

    @property
    def host(self) -> str:
        """The address at which pods reach this machine."""
        return _docker_gateway() if docker.answers() else podman.gateway()

    def load_image(self, archive: Path) -> None:
        """Load the images of a docker-archive into the nodes, under their own names."""
        _load(named(self.name), archive)


def obstacle() -> str | None:
    """Why no cluster can run here; None if one can."""
    if docker.answers():
        return None
    if os.geteuid() != 0:
        return "kind needs a Docker daemon that answers, or podman and root: here is neither"
    try:
        for tool in ("podman", "iptables"):
            install(tool)
    except SystemExit as error:
        return str(error)
    return None


def prepare() -> None:
    """Build what the first `start` would build, which takes minutes: kind and its node's image.

    Raises ClusterError if this machine cannot have a cluster.
    """
    _install()
    if not docker.answers():
        with alone():
            machine.prepare()
            try:
                node_image()
            finally:
                _leave_machine()


def start(name: str, workers: int = 0) -> Cluster:
    """The cluster of that name, ready: the running one, else a new one.

    A new cluster gets that many workers besides its first node; pods run on all nodes. Raises
    ClusterError if this machine cannot run a cluster, or the cluster does not become ready.
    """
    state = named(name)
    kind = _install()
    with alone():
        found = find(name)
        if found is not None:
            return found
        if state.exists():
            say(f"{name} did not start, or has stopped since: deleting it first")
            _take_away(state)
        started = time.monotonic()
        try:
            cluster = _bring_up(state, kind, workers)
        except BaseException:
            _take_away(state)
            raise
        say(f"{name} is ready after {time.monotonic() - started:.0f} s")
        return cluster


def _install() -> Path:
    reason = obstacle()
    if reason is not None:
        raise ClusterError(reason)
    try:
        return install("kind")
    except SystemExit as error:
        raise ClusterError(str(error)) from None


def stop(name: str) -> None:
    """Delete the cluster and everything that belongs to it, whoever started it."""
    state = named(name)
    with alone():
        if state.folder.exists():
            say(f"deleting {name}")
            _take_away(state)
        else:
            say(f"there is no cluster {name}")


def find(name: str) -> Cluster | None:
    """The running cluster of that name; None if there is none."""
    state = named(name)
    if not state.exists() or not state.read().ready:
        return None
    cluster = Cluster(name, state.kubeconfig, state.read().http_port)
    return cluster if ready.answers(f"{cluster.url}/ping", 200) else None


def _bring_up(state: State, kind: Path, workers: int) -> Cluster:
    record = Record(_free_port())
    state.write(record)
    cgroups.make(state.cgroup)
    image = None
    if not docker.answers():
        machine.prepare()
        image = node_image()
        podman.make_network()
        podman.hold_volumes_in_memory()
    _write_kind(state, kind)
    config = state.folder / "kind.yaml"
    config.write_text(yaml.safe_dump(_config(record, workers)))
    say("kind is creating the node" if not workers else f"kind is creating {workers + 1} nodes")
    try:
        with contextlib.chdir(state.folder), joining(state.name, workers if image else 0):
            _kind_cluster(state, image).create(config)
    except subprocess.CalledProcessError as error:
        raise ClusterError(f"kind: {' '.join(error.cmd[1:3])} failed") from None
    if image is None:
        _load_addon_images(state)
    kubectl = ready.Kubectl(state.kubeconfig)
    kubectl.apply(_ADDONS.read_text())
    cluster = Cluster(state.name, state.kubeconfig, record.http_port)
    try:
        _wait_for_addons(kubectl, cluster, 1 + workers)
    except ClusterError as error:
        raise ClusterError(f"{error}\n{kubectl.tell()}") from None
    record.ready = True
    state.write(record)
    return cluster


def _wait_for_addons(kubectl: ready.Kubectl, cluster: Cluster, nodes: int) -> None:
    ready.wait("the nodes", lambda: kubectl.ready_nodes() == nodes)
    ready.wait("CoreDNS", lambda: kubectl.is_available("coredns", "kube-system"))
    ready.wait("Traefik", lambda: ready.answers(f"{cluster.url}/ping", 200))
    ready.wait("metrics-server", lambda: kubectl.is_available("metrics-server", "kube-system"))
    metrics = "apiservice/v1beta1.metrics.k8s.io"
    ready.wait("the metrics API", lambda: kubectl.has_condition(metrics, "Available"))
    ready.wait("service accounts", lambda: kubectl.exists("serviceaccount/default"))


def _config(record: Record, workers: int) -> dict[str, object]:
    port = {"containerPort": 80, "hostPort": record.http_port, "listenAddress": "127.0.0.1"}
    first = {"role": "control-plane", "extraPortMappings": [port]}
    if workers:
        # kind removes the taint of a single node itself, and fails if it is already gone.
        patch = {"kind": "InitConfiguration", "nodeRegistration": {"taints": []}}
        first["kubeadmConfigPatches"] = [yaml.safe_dump(patch)]
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "nodes": [first, *({"role": "worker"} for _ in range(workers))],
    }


def _write_kind(state: State, kind: Path) -> None:
    """Write a wrapper that runs kind with the cluster's settings and in its control group.

    So `stop` finds kind's processes even if the caller was killed.
    """
    settings = {} if docker.answers() else podman.environment()
    lines = [f"export {name}={shlex.quote(value)}" for name, value in settings.items()]
    doors = " ".join(shlex.quote(str(door)) for door in cgroups.doors(state.cgroup))
    lines.append(f"for door in {doors}; do echo $$ >$door; done")
    text = "\n".join(["#!/bin/sh -e", *lines, f'exec {shlex.quote(str(kind))} "$@"', ""])
    state.kind.write_text(text)
    state.kind.chmod(0o755)


def _kind_cluster(state: State, image: str | None = None) -> KindCluster:
    return KindCluster(
        state.name, state.kubeconfig, image,
        kind_path=state.kind, kubectl_path=Path(ready.find_kubectl()),
    )  # fmt: skip


def _load(state: State, archive: Path) -> None:
    command = [str(state.kind), "load", "image-archive", str(archive.resolve())]
    command.append(f"--name={state.name}")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ClusterError(f"{archive} cannot be loaded: {done.stderr.strip()}")


def _load_addon_images(state: State) -> None:
    """Load the add-ons' images, which kind's own node image does not contain."""
    with tempfile.TemporaryDirectory() as folder:
        write_addon_images(Path(folder), Path("/"))
        for archive in Path(folder).glob("*.tar"):
            _load(state, archive)


def _take_away(state: State) -> None:
    """Delete the cluster. Each step looks for what is left, so a second try completes the first."""
    if left := cgroups.kill(state.cgroup):
        raise ClusterError(f"the processes {left} of {state.name!r} cannot be killed")
    if state.kind.exists():
        cgroups.make(state.cgroup)
        try:
            with contextlib.chdir(state.folder):
                _kind_cluster(state).delete()
        except subprocess.CalledProcessError:
            if docker.answers():
                raise ClusterError(f"kind cannot delete {state.name!r}") from None
            say(f"podman gave up on {state.name}: trying again")
    if not docker.answers():
        if containers := podman.remove_leftovers(state.name):
            raise ClusterError(f"podman does not remove {', '.join(containers)}")
        _leave_machine(state.name)
    cgroups.kill(state.cgroup)
    cgroups.remove(state.cgroup)
    shutil.rmtree(state.folder, ignore_errors=True)


def _leave_machine(ends: str = "") -> None:
    """Restore the machine's former state, unless a cluster other than `ends` is left."""
    others = [other for other in existing() if other.name != ends]
    if not others and not podman.nodes():
        podman.remove_shared()
        machine.put_back()


def _docker_gateway() -> str:
    """The gateway of kind's network on Docker, which is called kind."""
    template = "{{range .IPAM.Config}}{{.Gateway}} {{end}}"
    shown = subprocess.run(
        ["docker", "network", "inspect", "kind", "--format", template],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return next(address for address in shown.stdout.split() if ":" not in address)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port
