"""The few calls of the Kubernetes API that tests need, over HTTP."""

from __future__ import annotations

import atexit
import base64
import json
import shutil
import tempfile
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import requests
import yaml

FIELD_MANAGER = "servestack-test-provider"
CREATING_MANAGER = "pulumi-kubernetes"
"""The official plugin's name for a create; a server-side apply of it bears another for each object."""
_NO_MATCH = "NoMatch"
_CRD_GROUPS = (
    "argoproj.io/v1alpha1",
    "gateway.networking.k8s.io/v1", "kafka.strimzi.io/v1", "keda.sh/v1alpha1",
    "monitoring.coreos.com/v1",
)  # fmt: skip
Body = dict[str, Any]


class ApiError(Exception):
    """The API said no, in its own words. `reason` and `kind` are what its Status names."""

    def __init__(self, message: str, reason: str = "", kind: str = "") -> None:
        super().__init__(message)
        self.reason, self.kind = reason, kind


class KubernetesClient:
    """A client for one API server, with a bearer token or, by `from_kubeconfig`, a certificate."""

    def __init__(self, server: str, token: str, certificate: Path) -> None:
        self.server = server
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"
        self._session.verify = str(certificate)
        self._session.trust_env = False

    @classmethod
    def from_kubeconfig(cls, file: Path, context: str) -> KubernetesClient:
        """The cluster and user of a context."""
        config = yaml.safe_load(file.read_text())

        def named(section: str, name: str, key: str) -> Body:
            for item in config[section]:
                if item["name"] == name:
                    found: Body = item[key]
                    return found
            raise ApiError(f"{file} has no {name!r} among its {section}")

        chosen = named("contexts", context, "context")
        cluster = named("clusters", chosen["cluster"], "cluster")
        user = named("users", chosen["user"], "user")
        client = cls(
            cluster["server"], user.get("token", ""), _as_file(cluster, "certificate-authority")
        )
        if "token" not in user:
            del client._session.headers["Authorization"]
            certificate, key = _as_file(user, "client-certificate"), _as_file(user, "client-key")
            client._session.cert = (str(certificate), str(key))
        return client

    def prometheus_settings(self) -> Body:
        """How a Prometheus is to ask this server, as this client does."""
        tls = {"ca_file": self._session.verify}
        if isinstance(self._session.cert, tuple):
            certificate, key = self._session.cert
            return {"tls_config": {**tls, "cert_file": certificate, "key_file": key}}
        token = str(self._session.headers["Authorization"]).removeprefix("Bearer ")
        return {"tls_config": tls, "authorization": {"credentials": token}}

    def is_ready(self) -> bool:
        try:
            return self._session.get(f"{self.server}/readyz", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def create(self, body: Body, *, dry_run: bool = False) -> Body:
        """Create, with strict field validation. ApiError where the object exists."""
        return self._call(
            "POST",
            self._path(body).rpartition("/")[0],
            params={
                "fieldManager": CREATING_MANAGER,
                "fieldValidation": "Strict",
                **({"dryRun": "All"} if dry_run else {}),
            },
            data=json.dumps(body),
            headers={"Content-Type": "application/json"},
        )

    def apply(
        self, body: Body, *, manager: str = FIELD_MANAGER, force: bool = True, dry_run: bool = False
    ) -> Body:
        """Server-side apply, with strict field validation. ApiError for a conflict without `force`."""
        return self._call(
            "PATCH",
            self._path(body),
            params={
                "fieldManager": manager,
                "force": str(force).lower(),
                "fieldValidation": "Strict",
                **({"dryRun": "All"} if dry_run else {}),
            },
            data=json.dumps(body),
            headers={"Content-Type": "application/apply-patch+yaml"},
        )

    def replace_managers(self, live: Body, managed_fields: list[Body]) -> None:
        """Write who owns which fields, unless the object has changed since `live` was read."""
        metadata = {
            "managedFields": managed_fields,
            "resourceVersion": live["metadata"]["resourceVersion"],
        }
        self._call(
            "PATCH",
            self._path(live),
            data=json.dumps({"metadata": metadata}),
            headers={"Content-Type": "application/merge-patch+json"},
        )

    def get(self, body: Body) -> Body | None:
        """The live object with the identity of `body`; None where there is none."""
        answer = self._send("GET", self._path(body))
        return None if answer.status_code == 404 else self._checked(answer)

    def patch(self, body: Body, change: Body, *, subresource: str = "") -> Body:
        """A merge patch, as somebody else would do it."""
        return self._call(
            "PATCH",
            self._path(body) + (f"/{subresource}" if subresource else ""),
            params={"fieldManager": "somebody-else"},
            data=json.dumps(change),
            headers={"Content-Type": "application/merge-patch+json"},
        )

    def delete(self, body: Body, *, has_controllers: bool = False) -> None:
        """Delete; without controllers a namespace is let go of here, which they would do."""
        answer = self._send("DELETE", self._path(body))
        if answer.status_code == 404:
            return
        self._checked(answer)
        if body["kind"] == "Namespace" and not has_controllers:
            live = self.get(body)
            if live is not None:
                live["spec"]["finalizers"] = []
                self._call("PUT", f"{self._path(body)}/finalize", json=live)

    def list_names(self, api_version: str, kind: str, namespace: str) -> list[str]:
        """Names of the objects of a kind in a namespace."""
        items = self.list_objects(api_version, kind, namespace)
        return [item["metadata"]["name"] for item in items]

    def list_objects(
        self, api_version: str, kind: str, namespace: str, labels: dict[str, str] | None = None
    ) -> list[Body]:
        """The objects of a kind in a namespace that carry all the labels."""
        probe = {
            "apiVersion": api_version,
            "kind": kind,
            "metadata": {"namespace": namespace, "name": ""},
        }
        chosen = ",".join(f"{key}={value}" for key, value in (labels or {}).items())
        answer = self._call("GET", self._path(probe).rstrip("/"), params={"labelSelector": chosen})
        items: list[Body] = answer["items"]
        return items

    def wait_for_kinds(self, kinds: set[str], versions: Iterable[str] = _CRD_GROUPS) -> None:
        """Wait until the API serves kinds of CRDs that were just installed."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            answers = [self._send("GET", f"/apis/{version}") for version in versions]
            served = {
                resource["kind"]
                for answer in answers
                if answer.status_code == 200
                for resource in answer.json()["resources"]
            }
            if kinds <= served:
                return
            time.sleep(0.2)
        raise ApiError(f"{kinds} are not served")

    def serves(self, body: Body) -> bool:
        """Whether the API has the kind of `body`."""
        try:
            self._path(body)
        except ApiError as error:
            if error.reason in (_NO_MATCH, "NotFound"):
                return False
            raise
        return True

    def _path(self, body: Body) -> str:
        api_version, metadata = body["apiVersion"], body["metadata"]
        root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        plural, namespaced = self._resource(root, body["kind"])
        scope = f"/namespaces/{metadata['namespace']}" if namespaced else ""
        return f"{root}{scope}/{plural}/{metadata['name']}"

    @cache  # noqa: B019  a client lives as long as its test
    def _resource(self, root: str, kind: str) -> tuple[str, bool]:
        for resource in self._call("GET", root)["resources"]:
            if resource["kind"] == kind and "/" not in resource["name"]:
                return resource["name"], resource["namespaced"]
        raise ApiError(f"{root} serves no {kind}", _NO_MATCH)

    def _call(self, method: str, path: str, **arguments: Any) -> Body:
        return self._checked(self._send(method, path, **arguments))

    def _send(self, method: str, path: str, **arguments: Any) -> requests.Response:
        try:
            return self._session.request(method, self.server + path, timeout=30, **arguments)
        except requests.ConnectionError as error:
            refused = "connection refused" if "refused" in str(error) else str(error)
            raise ApiError(f"{self.server}: {refused}") from None

    @staticmethod
    def _checked(answer: requests.Response) -> Body:
        if answer.status_code == 404 and "json" not in answer.headers.get("Content-Type", ""):
            raise ApiError(answer.text.strip(), "NotFound")
        data: Body = answer.json()
        if answer.status_code >= 400:
            kind = data.get("details", {}).get("kind", "")
            raise ApiError(data.get("message", answer.text), data.get("reason", ""), kind)
        return data


def _as_file(entry: Body, name: str) -> Path:
    """A file that a kubeconfig names, or what it holds itself, in a file of this process."""
    if name in entry:
        return Path(entry[name])
    folder = Path(tempfile.mkdtemp(prefix="kubeconfig-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    file = folder / name
    file.write_bytes(base64.b64decode(entry[f"{name}-data"]))
    return file
