"""`servestack diff --live` as a user runs it: outputs, exit codes, and what goes wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from servestack.project import build_environment
from tests.support.apiserver import CONTEXT, ApiServer
from tests.support.forked import servestack
from tests.support.kubectl import kubectl
from tests.support.ports import free_ports

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(project: Path, apiserver: ApiServer) -> Run:
    """`servestack diff prod --live` in a copy of the repository."""

    def call(
        *arguments: str, kubeconfig: Path = apiserver.kubeconfig, context: str = CONTEXT
    ) -> Any:
        cluster = (f"--kubeconfig={kubeconfig}", f"--context={context}")
        return servestack("diff", "prod", "--live", *cluster, *arguments, folder=project)

    return call


@pytest.fixture
def applied(project: Path, apiserver: ApiServer) -> Iterator[None]:
    bodies = [manifest.body for manifest in build_environment(project, "prod").manifests]
    for body in bodies:
        apiserver.client.apply(body)
    yield
    for body in reversed(bodies):
        apiserver.client.delete(body)


def kubeconfig(
    file: Path,
    apiserver: ApiServer,
    *,
    cluster: dict[str, Any] | None = None,
    user: dict[str, Any] | None = None,
) -> Path:
    """The test cluster's kubeconfig with other settings of the cluster, or another user."""
    config = yaml.safe_load(apiserver.kubeconfig.read_text())
    config["clusters"][0]["cluster"] |= cluster or {}
    if user is not None:
        config["users"][0]["user"] = user
    file.write_text(yaml.safe_dump(config))
    return file


def refused(done: subprocess.CompletedProcess[str], id: str, *words: str) -> None:
    """One error, in words, and nothing on stdout."""
    assert done.returncode == 1, done.stdout
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: {id} "), done.stderr
    assert done.stderr.count("error") == 1, done.stderr
    for word in words:
        assert word in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("applied")
def test_outputs_and_exit_codes(run: Run, apiserver: ApiServer) -> None:
    clean = run()
    assert (clean.returncode, clean.stderr) == (0, "")
    assert clean.stdout == f"prod: no changes against cluster {CONTEXT}\n"
    kubectl(apiserver, "-n", "models", "set", "image", "deployment/iris", "server=theirs:1")
    text = run()
    assert text.returncode == 2
    assert "drift: kubectl-set changed spec.template.spec.containers[server].image" in text.stdout
    elsewhere = (
        "runs an image of another repository: theirs→registry.example.com/servestack/serving"
    )
    assert text.stdout.startswith(f"security: iris: {elsewhere}\n")
    assert f"(security: {elsewhere}; pods restart, one at a time)" in text.stdout
    assert run("--fail-on", "security").returncode == 3
    assert run("--fail-on", "data").returncode == 0
    report = json.loads(run("-o", "json").stdout)
    (model,) = report["models"]
    (field,) = model["objects"][0]["fields"]
    assert (report["against"], field["old"]) == (f"cluster {CONTEXT}", "theirs:1")
    assert field["changedBy"]["manager"] == "kubectl-set"
    assert "problems" not in report
    assert "- `drift: kubectl-set changed" in run("-o", "github").stdout


@pytest.mark.usefixtures("applied")
def test_a_secret_that_somebody_wrote_into_the_cluster_is_masked(
    run: Run, apiserver: ApiServer
) -> None:
    kubectl(
        apiserver, "-n", "models", "patch", "configmap/iris-filebeat", "--type=merge", "-p",
        json.dumps({"data": {"filebeat.yml": "output.kafka:\n  password: canary-9d1e\n"}}),
    )  # fmt: skip
    for output in ("text", "json", "github"):
        done = run("-o", output)
        assert done.returncode == 2
        assert "canary-9d1e" not in done.stdout + done.stderr
        assert "(masked)" in done.stdout


def test_the_environment_names_the_cluster(run: Run, project: Path, apiserver: ApiServer) -> None:
    stack = project / "stacks/prod.yaml"
    (project / "kube.yaml").write_text(apiserver.kubeconfig.read_text())
    cluster = f"cluster: {{context: {CONTEXT}, kubeconfig: kube.yaml}}"
    stack.write_text(stack.read_text().replace("cluster: {context: prod}", cluster))
    program = Path(sys.executable).with_name("servestack")
    done = subprocess.run(
        [program, "diff", "prod", "--live"], cwd=project / "models", capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert f"15 objects change against cluster {CONTEXT}" in done.stdout


def test_options_that_exclude_each_other(run: Run) -> None:
    refused(run("--against", "HEAD"), "SRV154")


def test_kubeconfigs_that_are_none(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "config"
    refused(run(kubeconfig=file), "SRV531", "there is no such file")
    for text in ("", "a: [", "[]", "clusters: 1", "just text", "contexts: [{}]", "\x00"):
        file.write_text(text)
        refused(run(kubeconfig=file), "SRV531", str(file))
    file.write_text(f"contexts: [{{name: {CONTEXT}, context: {{cluster: gone}}}}]")
    refused(run(kubeconfig=file), "SRV531", "gone")
    file.write_text(
        f"{{clusters: [{{name: c, cluster: {{a: b}}}}],"
        f" contexts: [{{name: {CONTEXT}, context: {{cluster: c}}}}]}}"
    )
    refused(run(kubeconfig=file), "SRV531", "has no server")


def test_no_such_context(run: Run) -> None:
    refused(run(context="elsewhere"), "SRV532", "'elsewhere'", f"it has {CONTEXT}")


def test_credentials_that_do_not_work(run: Run, tmp_path: Path, apiserver: ApiServer) -> None:
    file = tmp_path / "config"
    wrong = kubeconfig(file, apiserver, user={"token": "wrong"})
    refused(run(kubeconfig=wrong), "SRV533", "does not accept the credentials")
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "/no/such/plugin"}
    broken = kubeconfig(file, apiserver, user={"exec": plugin})
    refused(run(kubeconfig=broken), "SRV533", "/no/such/plugin")


def test_credentials_of_a_plugin(run: Run, tmp_path: Path, apiserver: ApiServer) -> None:
    version = "client.authentication.k8s.io/v1"
    answer = {"apiVersion": version, "kind": "ExecCredential", "status": {"token": "test-admin"}}
    plugin = {"apiVersion": version, "command": "echo", "args": [json.dumps(answer)]}
    done = run(kubeconfig=kubeconfig(tmp_path / "config", apiserver, user={"exec": plugin}))
    assert done.returncode == 2, done.stderr


def test_a_cluster_that_does_not_answer(run: Run, tmp_path: Path, apiserver: ApiServer) -> None:
    file = tmp_path / "config"
    (port,) = free_ports(1)
    gone = kubeconfig(file, apiserver, cluster={"server": f"https://127.0.0.1:{port}"})
    refused(run(kubeconfig=gone), "SRV534", f"127.0.0.1:{port}", "connection refused")
    gone = kubeconfig(file, apiserver, cluster={"server": "https://no-such-host.invalid"})
    refused(run(kubeconfig=gone), "SRV534", "no-such-host.invalid")
    behind = kubeconfig(file, apiserver, cluster={"proxy-url": f"http://127.0.0.1:{port}"})
    refused(run(kubeconfig=behind), "SRV534", "behind a proxy that does not answer")
    config = yaml.safe_load(apiserver.kubeconfig.read_text())
    del config["clusters"][0]["cluster"]["certificate-authority"]
    file.write_text(yaml.safe_dump(config))
    refused(run(kubeconfig=file), "SRV534", "certificate that is not trusted")


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """A server that gives one answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, b"<html>sign in</html>", "does not answer like a Kubernetes API"),
        (503, b"", "answers 503"),
        (429, b'{"message": "too many requests"}', "answers 429: too many requests"),
        (302, b"", "does not answer like a Kubernetes API"),
    ],
)
def test_something_that_is_no_cluster(
    run: Run, tmp_path: Path, apiserver: ApiServer, status: int, body: bytes, words: str
) -> None:
    with answering(status, body) as server:
        config = kubeconfig(tmp_path / "config", apiserver, cluster={"server": server})
        refused(run(kubeconfig=config), "SRV534", words)


RIGHTS = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: viewer, namespace: models}
rules: [{apiGroups: ["*"], resources: ["*"], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: viewer, namespace: models}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: viewer}
subjects: [{kind: ServiceAccount, name: viewer, namespace: models}]
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: viewer, namespace: models}
"""


@pytest.mark.usefixtures("applied")
def test_rights_that_are_missing(run: Run, tmp_path: Path, apiserver: ApiServer) -> None:
    """One error for each kind, not for each object, and the report says what it could not see."""
    kubectl(apiserver, "apply", "-f", "-", text=RIGHTS)
    try:
        token = kubectl(apiserver, "-n", "models", "create", "token", "viewer").strip()
        config = kubeconfig(tmp_path / "config", apiserver, user={"token": token})
        done = run(kubeconfig=config)
        assert done.returncode == 1
        assert done.stdout.endswith("in what could be compared\n")
        user = 'User "system:serviceaccount:models:viewer" cannot patch resource'
        assert done.stderr.count(f'SRV535 forbidden: {user} "configmaps"') == 1
        assert done.stderr.count(f'SRV535 forbidden: {user} "deployments"') == 1
        problems = json.loads(run("-o", "json", kubeconfig=config).stdout)["problems"]
        assert {problem["id"] for problem in problems} == {"SRV535"}
    finally:
        kubectl(apiserver, "delete", "-f", "-", text=RIGHTS)


def test_a_namespace_that_nobody_makes(run: Run, project: Path) -> None:
    stack = project / "stacks/prod.yaml"
    stack.write_text(f"{stack.read_text()}createNamespace: false\n")
    refused(run(), "SRV536", "no namespace 'models'", "createNamespace")
