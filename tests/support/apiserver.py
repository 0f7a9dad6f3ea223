"""A real Kubernetes API: etcd and kube-apiserver as two processes, and nothing behind them.

Objects are admitted, validated and stored as in any cluster (Pod Security included); no controller
and no kubelet acts on them. What is tested here is what the API accepts.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.support.kubernetes_client import KubernetesClient
from tests.support.ports import free_ports
from tests.support.projects import REPOSITORY
from tests.support.tools import installed

CONTEXT = "servestack-test"
_TOKEN = "test-admin"
_READY_SECONDS = 90
_CRDS = {
    "sigs.k8s.io/gateway-api": [
        "config/crd/standard/gateway.networking.k8s.io_gateways.yaml",
        "config/crd/standard/gateway.networking.k8s.io_httproutes.yaml",
    ],
    "github.com/prometheus-operator/prometheus-operator": [
        "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
    ],
    "github.com/argoproj/argo-rollouts": [
        "manifests/crds/analysis-template-crd.yaml",
        "manifests/crds/rollout-crd.yaml",
    ],
    "github.com/kedacore/keda/v2": ["config/crd/bases/keda.sh_scaledobjects.yaml"],
}


@dataclass(frozen=True)
class ApiServer:
    """A running API. `kubeconfig` has the context `servestack-test`."""

    kubeconfig: Path
    client: KubernetesClient


@contextmanager
def running_apiserver(folder: Path) -> Iterator[ApiServer]:
    """Start both processes in a folder, install the CRDs, end both by their own handles."""
    processes: list[subprocess.Popen[bytes]] = []
    try:
        etcd_port, peer_port, port = free_ports(3)
        processes.append(_start_etcd(folder, etcd_port, peer_port))
        processes.append(_start_apiserver(folder, etcd_port, port))
        server = ApiServer(
            _write_kubeconfig(folder, port), _wait_until_ready(folder, port, processes)
        )
        _install_crds(server.client)
        yield server
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _start_etcd(folder: Path, port: int, peer_port: int) -> subprocess.Popen[bytes]:
    client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer_port}"
    return _start(folder, "etcd", [
        str(installed("etcd")), f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}", "--logger=zap", "--unsafe-no-fsync",
    ])  # fmt: skip


def _start_apiserver(folder: Path, etcd_port: int, port: int) -> subprocess.Popen[bytes]:
    key = folder / "service-accounts.pem"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    tokens = folder / "tokens.csv"
    tokens.write_text(f"{_TOKEN},admin,admin,system:masters\n")
    return _start(folder, "kube-apiserver", [
        str(installed("kube-apiserver")), f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        f"--secure-port={port}", "--bind-address=127.0.0.1", f"--cert-dir={folder / 'certificates'}",
        "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none",
        f"--token-auth-file={tokens}", "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}",
        "--service-cluster-ip-range=10.96.0.0/16",
        # Nobody would make the default service account that it waits for.
        "--disable-admission-plugins=ServiceAccount",
        # On by itself from Kubernetes 1.35.
        "--feature-gates=ImageVolume=true",
    ])  # fmt: skip


def _start(folder: Path, name: str, command: list[str]) -> subprocess.Popen[bytes]:
    # The kernel ends it too where this process is killed and no `finally` runs.
    command = ["setpriv", "--pdeathsig", "KILL", *command]
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)


def _wait_until_ready(
    folder: Path, port: int, processes: list[subprocess.Popen[bytes]]
) -> KubernetesClient:
    certificate = folder / "certificates/apiserver.crt"
    client = KubernetesClient(f"https://127.0.0.1:{port}", _TOKEN, certificate)
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        for process in processes:
            if process.poll() is not None:
                raise RuntimeError(f"{process.args!r} ended:\n{_tail(folder)}")
        if certificate.exists() and client.is_ready():
            return client
        time.sleep(0.2)
    raise RuntimeError(f"the API was not ready after {_READY_SECONDS} s:\n{_tail(folder)}")


def _tail(folder: Path) -> str:
    return "\n".join(log.read_text(errors="replace")[-2000:] for log in folder.glob("*.log"))


def _write_kubeconfig(folder: Path, port: int) -> Path:
    file = folder / "kubeconfig"
    cluster = {
        "server": f"https://127.0.0.1:{port}",
        "certificate-authority": str(folder / "certificates/apiserver.crt"),
    }
    file.write_text(yaml.safe_dump({
        "apiVersion": "v1", "kind": "Config", "current-context": "wrong-on-purpose",
        "clusters": [{"name": CONTEXT, "cluster": cluster}],
        "users": [{"name": "admin", "user": {"token": _TOKEN}}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": "admin"}}],
    }))  # fmt: skip
    return file


def _install_crds(client: KubernetesClient) -> None:
    output = subprocess.run(
        ["go", "mod", "download", "-json", *_CRDS], cwd=REPOSITORY / "tools/schemas",
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    decoder = json.JSONDecoder()
    while output := output.lstrip():
        module, end = decoder.raw_decode(output)
        output = output[end:]
        for path in _CRDS[module["Path"]]:
            text = (Path(module["Dir"]) / path).read_text()
            client.apply(yaml.load(text, yaml.CSafeLoader))  # 20,000 lines
    for file in (REPOSITORY / "tools/schemas/strimzi").glob("*.yaml"):
        client.apply(yaml.safe_load(file.read_text()))
    client.wait_for_kinds(
        {
            "AnalysisTemplate",
            "Gateway",
            "HTTPRoute",
            "KafkaTopic",
            "PodMonitor",
            "PrometheusRule",
            "Rollout",
            "ScaledObject",
        }
    )


def main() -> None:
    """Run one by hand until Enter is pressed: `python -m tests.support.apiserver FOLDER`."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with running_apiserver(folder) as server:
        input(f"export KUBECONFIG={server.kubeconfig}  (Enter ends it) ")


if __name__ == "__main__":
    main()
