"""A real Prometheus that finds the pods by their annotations."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import yaml

from tests.cluster.deployment import NAMESPACE, Deployment
from tests.support.ports import free_ports
from tests.support.tools import installed


@contextmanager
def running_prometheus(deployment: Deployment, folder: Path) -> Iterator[str]:
    """Its address. Ended by its own handle."""
    (port,) = free_ports(1)
    (folder / "prometheus.yml").write_text(yaml.safe_dump(_settings(deployment)))
    command = [
        "setpriv", "--pdeathsig", "KILL", str(installed("prometheus")),
        f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    policy = _lets_api_server_in(deployment)
    deployment.client.apply(policy)
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)
        deployment.client.delete(policy)


def query(address: str, expression: str) -> list[dict[str, Any]]:
    """The samples of an instant query; empty while Prometheus does not answer."""
    try:
        answer = requests.get(
            f"{address}/api/v1/query", params={"query": expression}, timeout=10
        ).json()
    except requests.RequestException:
        return []
    found: list[dict[str, Any]] = answer["data"]["result"]
    return found


def _lets_api_server_in(deployment: Deployment) -> dict[str, Any]:
    """A policy for the way of these scrapes: the API server is on the first node, and only pods on
    that one let it in without. On podman its packets to other nodes have this machine's address."""
    addresses = [deployment.cluster.host] + [
        address["address"]
        for node in deployment.client.list_objects("v1", "Node", namespace="")
        for address in node["status"]["addresses"]
        if address["type"] == "InternalIP"
    ]
    peers = [{"ipBlock": {"cidr": f"{address}/32"}} for address in addresses]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "scraped-through-the-api-server", "namespace": NAMESPACE},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": peers}]},
    }


def _settings(deployment: Deployment) -> dict[str, Any]:
    """The relabelling that Prometheus's own example configuration has for annotated pods, through the
    API server: from outside a cluster its pods have no addresses."""
    annotation = "__meta_kubernetes_pod_annotation_prometheus_io_"
    client = deployment.client
    pod = ["__meta_kubernetes_namespace", "__meta_kubernetes_pod_name"]
    return {
        "global": {"scrape_interval": "2s", "scrape_timeout": "2s"},
        "scrape_configs": [
            {
                "job_name": "kubernetes-pods",
                "scheme": "https",
                **client.prometheus_settings(),
                "kubernetes_sd_configs": [
                    {
                        "role": "pod",
                        "kubeconfig_file": str(deployment.cluster.kubeconfig),
                        "namespaces": {"names": [NAMESPACE]},
                    }
                ],
                "relabel_configs": [
                    {"source_labels": [f"{annotation}scrape"], "action": "keep", "regex": "true"},
                    {
                        "source_labels": [*pod, f"{annotation}port", f"{annotation}path"],
                        "action": "replace",
                        "target_label": "__metrics_path__",
                        "regex": "(.+);(.+);(.+);(.+)",
                        "replacement": "/api/v1/namespaces/$1/pods/$2:$3/proxy$4",
                    },
                    {
                        "target_label": "__address__",
                        "replacement": client.server.removeprefix("https://"),
                    },
                    {
                        "source_labels": ["__meta_kubernetes_pod_name"],
                        "target_label": "pod",
                    },
                ],
            }
        ],
    }
