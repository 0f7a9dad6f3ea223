"""A real ingress controller, Traefik, reads the rendered Ingress from a real API and forwards."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from servestack.manifests.network import build_ingress, build_service
from tests.support.apiserver import ApiServer
from tests.support.ports import free_ports
from tests.support.services import resolved

_READY_SECONDS = 60
SPEC = {"ingress": {"hosts": ["a.example.com", "*.example.org"], "pathPrefix": "/ml"}}
ENVIRONMENT = {"namespace": "default", "ingress": {"className": "traefik"}}
CLASS: dict[str, Any] = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "IngressClass",
    "metadata": {"name": "traefik"},
    "spec": {"controller": "traefik.io/ingress-controller"},
}


class _Echo(BaseHTTPRequestHandler):
    """Answers with the path that came, in the model server's place."""

    def do_GET(self) -> None:
        body = self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def own_address() -> str:
    """An address of this machine that is no loopback one: the API refuses those as endpoints."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # Nothing is sent.
            address: str = probe.getsockname()[0]
        except OSError:
            address = "127.0.0.1"
    if address.startswith("127."):
        pytest.skip("this machine has no address but loopback")
    return address


@contextmanager
def endpoint() -> Iterator[tuple[str, int]]:
    server = ThreadingHTTPServer((own_address(), 0), _Echo)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield str(server.server_address[0]), server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def endpoint_slice(address: str, port: int) -> dict[str, Any]:
    """What the controllers of a cluster would write of the pods of the Service."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "iris-1",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "iris"},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
    }


@contextmanager
def running_traefik(apiserver: ApiServer, folder: Path) -> Iterator[int]:
    """Traefik on a port of 127.0.0.1, which it yields; ended by its own handle."""
    config = yaml.safe_load(apiserver.kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    (port,) = free_ports(1)
    provider = "--providers.kubernetesingress"
    command: list[str | Path] = [
        Path(sys.executable).with_name("traefik"), f"--entrypoints.web.address=127.0.0.1:{port}",
        provider, f"{provider}.endpoint={cluster['server']}", f"{provider}.token={user['token']}",
        f"{provider}.certauthfilepath={cluster['certificate-authority']}",
        "--global.checknewversion=false", "--global.sendanonymoususage=false", "--log.level=DEBUG",
    ]  # fmt: skip
    with (folder / "traefik.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        yield port
    finally:
        process.terminate()
        process.wait(30)


def ask(port: int, host: str, path: str) -> tuple[int, str]:
    """(status, path that reached the server)"""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def wait_until_routed(port: int, log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        try:
            if ask(port, "a.example.com", "/ml/v1/iris/docs")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise RuntimeError(f"Traefik routes nothing:\n{log.read_text(errors='replace')[-3000:]}")


def test_every_host_shows_the_public_paths_below_the_prefix(
    apiserver: ApiServer, tmp_path: Path
) -> None:
    service = resolved(tmp_path / "project", SPEC, ENVIRONMENT)
    ingress = build_ingress(service)
    assert ingress is not None
    with endpoint() as (address, endpoint_port):
        bodies = [CLASS, build_service(service), endpoint_slice(address, endpoint_port), ingress]
        try:
            for body in json.loads(json.dumps(bodies)):
                apiserver.client.apply(body)
            with running_traefik(apiserver, tmp_path) as port:
                wait_until_routed(port, tmp_path / "traefik.log")
                for host in ("a.example.com", "b.example.org"):
                    for path in ("/ml/v1/iris/predict", "/ml/v2/models/iris/infer"):
                        assert ask(port, host, path) == (200, path), host
                    for path in ("/ml/metrics", "/metrics", "/v1/iris/predict", "/ml/docs"):
                        assert ask(port, host, path)[0] == 404, (host, path)
                for host in ("b.example.com", "example.org", "a.b.example.org"):
                    assert ask(port, host, "/ml/v1/iris/predict")[0] == 404, host
        finally:
            for body in reversed(bodies):
                apiserver.client.delete(body)
