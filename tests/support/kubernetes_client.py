"""The few calls of the Kubernetes API that tests need, over HTTP."""

from __future__ import annotations

import json
import time
from functools import cache
from pathlib import Path
from typing import Any

import requests
import yaml

FIELD_MANAGER = "servestack-test-provider"
_CRD_GROUPS = ("gateway.networking.k8s.io/v1", "monitoring.coreos.com/v1")
Body = dict[str, Any]


class ApiError(Exception):
    """The API said no, in its own words."""


class KubernetesClient:
    """A client for one API server, with a bearer token."""

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
        return cls(cluster["server"], user["token"], Path(cluster["certificate-authority"]))

    def is_ready(self) -> bool:
        try:
            return self._session.get(f"{self.server}/readyz", timeout=2).status_code == 200
        except requests.RequestException:
            return False

    def apply(self, body: Body, *, dry_run: bool = False) -> Body:
        """Server-side apply, forced, with strict field validation."""
        return self._call(
            "PATCH",
            self._path(body),
            params={
                "fieldManager": FIELD_MANAGER,
                "force": "true",
                "fieldValidation": "Strict",
                **({"dryRun": "All"} if dry_run else {}),
            },
            data=json.dumps(body),
            headers={"Content-Type": "application/apply-patch+yaml"},
        )

    def get(self, body: Body) -> Body | None:
        """The live object with the identity of `body`; None where there is none."""
        answer = self._send("GET", self._path(body))
        return None if answer.status_code == 404 else self._checked(answer)

    def patch(self, body: Body, change: Body) -> Body:
        """A merge patch, as somebody else would do it."""
        return self._call(
            "PATCH",
            self._path(body),
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

    def wait_for_kinds(self, kinds: set[str]) -> None:
        """Wait until the API serves kinds of CRDs that were just installed."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            answers = [self._send("GET", f"/apis/{group}") for group in _CRD_GROUPS]
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
        raise ApiError(f"{root} serves no {kind}")

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
        data: Body = answer.json()
        if answer.status_code >= 400:
            raise ApiError(data.get("message", answer.text))
        return data
