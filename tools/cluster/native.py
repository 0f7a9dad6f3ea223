"""A real Kubernetes node without Docker: every component a process of this machine.

    cluster = start("dev")      # or the one of that name that is there already
    cluster.load_image(archive)
    stop("dev")

What is noted before it is made, in which folder: state.py. What each component is told:
components.py. How it is taken away: teardown.py.
"""

from __future__ import annotations

import base64
import shutil
import socket
import string
import time
from dataclasses import dataclass
from pathlib import Path

from tools.cluster import cgroups, containers, machine, processes, ready
from tools.cluster.certificates import write_certificates
from tools.cluster.components import DNS_IP, PORTS, Components
from tools.cluster.state import (
    CLUSTERS,
    NODE_IP,
    ClusterError,
    Record,
    State,
    alone,
    named,
    say,
)
from tools.cluster.teardown import take_away
from tools.install import install

_TOOLS = (
    "cni-plugins", "containerd", "coredns", "etcd", "kube-apiserver", "kube-controller-manager",
    "kube-proxy", "kube-scheduler", "kubelet", "metrics-server", "pause", "runc",
)  # fmt: skip


@dataclass(frozen=True)
class Cluster:
    """A running cluster. Traefik listens on `http_port` of 127.0.0.1; NodePorts do as well."""

    name: str
    kubeconfig: Path
    http_port: int
    node_ip: str = NODE_IP

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def load_image(self, archive: Path) -> None:
        """Make the image of a docker-archive known to the node, under the names that it has."""
        containers.load_image(named(self.name), archive)


def start(name: str) -> Cluster:
    """The cluster of that name, ready: the one that runs, else a new one.

    Raises ClusterError if this machine cannot have one, or a component does not come up.
    """
    state = named(name)
    with alone():
        if state.exists():
            record = state.read()
            if record.ready and all(map(processes.is_alive, record.processes)):
                return _describe(state, record)
            say(f"{name} did not come up, or lost a process: taking it away first")
            take_away(state)
        machine.check(state)
        _install_tools()
        shutil.rmtree(state.folder, ignore_errors=True)  # of a `stop` that was killed at its end
        started = time.monotonic()
        try:
            record = _bring_up(state)
        except BaseException:
            _keep_logs(state)
            take_away(state)
            raise
        say(f"{name} is ready after {time.monotonic() - started:.0f} s")
        return _describe(state, record)


def stop(name: str) -> None:
    """Take the cluster away with everything that belongs to it, whoever started it."""
    state = named(name)
    with alone():
        if state.exists():
            say(f"taking {name} away")
            take_away(state)
        else:
            say(f"there is no cluster {name}")


def find(name: str) -> Cluster | None:
    """The running cluster of that name."""
    state = named(name)
    if not state.exists():
        return None
    record = state.read()
    alive = record.ready and all(map(processes.is_alive, record.processes))
    return _describe(state, record) if alive else None


def _bring_up(state: State) -> Record:
    record = Record(ports=dict(zip(PORTS, _free_ports(len(PORTS)), strict=True)))
    state.write(record)
    parts = Components(state, record.ports)
    write_certificates(parts.file("certificates"))
    parts.write_access()
    machine.prepare(state, record)
    cgroups.make(state.cgroup)

    def run(name: str, command: list[str | Path], **environment: str) -> None:
        processes.spawn(state, record, name, command, environment)

    def wait(what: str, is_so: ready.Question) -> None:
        ready.wait(what, is_so, lambda: processes.check_alive(state, record))

    kubectl = ready.Kubectl(state, parts.file("admin.kubeconfig"))
    run("etcd", parts.etcd())
    run("kube-apiserver", parts.kube_apiserver())
    run("containerd", parts.containerd())
    wait("containerd", lambda: containers.is_serving(state))
    containers.load_pause_image(state)
    wait("the API server", kubectl.is_serving)
    run("kube-controller-manager", parts.kube_controller_manager())
    run("kube-scheduler", parts.kube_scheduler())
    run("kubelet", parts.kubelet())
    run("kube-proxy", parts.kube_proxy())
    kubectl.apply(_objects(parts))
    run("coredns", parts.coredns())
    run("metrics-server", parts.metrics_server())
    run("traefik", parts.traefik(), KUBECONFIG=str(parts.file("traefik.kubeconfig")))
    wait("the node", lambda: kubectl.has_condition(f"node/{state.node_name}", "Ready"))
    wait(
        "names of Services", lambda: ready.resolves("kubernetes.default.svc.cluster.local", DNS_IP)
    )
    wait("Traefik", lambda: ready.answers(f"http://127.0.0.1:{record.ports['traefik']}", 404))
    wait("metrics", lambda: kubectl.has_condition("apiservice/v1beta1.metrics.k8s.io", "Available"))
    wait("service accounts", lambda: kubectl.exists("serviceaccount/default"))
    shutil.copy(parts.file("admin.kubeconfig"), state.kubeconfig)
    record.ready = True
    state.write(record)
    return record


def _objects(parts: Components) -> str:
    template = string.Template((Path(__file__).parent / "objects.yaml").read_text())
    return template.substitute(
        node_ip=NODE_IP,
        dns_ip=DNS_IP,
        dns_port=parts.ports["coredns"],
        metrics_port=parts.ports["metrics-server"],
        authority=base64.b64encode(parts.certificate("ca.crt").read_bytes()).decode(),
    )


def _install_tools() -> None:
    for tool in _TOOLS:
        try:
            install(tool)
        except SystemExit as error:
            raise ClusterError(str(error)) from None


def _free_ports(count: int) -> list[int]:
    """Ports that are free on all addresses, all held at once while they are chosen."""
    sockets = [socket.create_server(("", 0)) for _ in range(count)]
    ports = [int(server.getsockname()[1]) for server in sockets]
    for server in sockets:
        server.close()
    return ports


def _keep_logs(state: State) -> None:
    logs, kept = state.folder / "logs", CLUSTERS / f"{state.name}-failed-logs"
    if logs.exists():
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(logs, kept)
        say(f"the logs are kept in {kept}")


def _describe(state: State, record: Record) -> Cluster:
    return Cluster(state.name, state.kubeconfig, record.ports["traefik"])
