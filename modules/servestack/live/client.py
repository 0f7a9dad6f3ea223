"""The requests that comparisons and rollouts need, over connections that are kept open."""

from __future__ import annotations

import json
import warnings
from typing import Any
from urllib.parse import urlencode

from servestack.live.failures import failure, unreachable
from servestack.manifests.kinds import Resource
from servestack.manifests.manifest import Body

CONNECTIONS = 8
"""Requests at the same time. A cluster answers a dry run within a few milliseconds."""
_CONNECT_SECONDS = 10
_READ_SECONDS = 60
_APPLY, _MERGE = "application/apply-patch+yaml", "application/merge-patch+json"


class Cluster:
    """One cluster's API; safe to use from CONNECTIONS threads. Every method raises ClusterError."""

    def __init__(self, configuration: Any) -> None:
        """`configuration` is the Configuration of the official client."""
        import urllib3
        from kubernetes.client.rest import RESTClientObject

        configuration.connection_pool_maxsize = CONNECTIONS
        self._host: str = configuration.host
        self._pool = RESTClientObject(configuration).pool_manager
        self._headers = {
            setting["key"]: setting["value"]
            for setting in configuration.auth_settings().values()
            if setting["in"] == "header"
        }
        self._timeout = urllib3.Timeout(connect=_CONNECT_SECONDS, read=_READ_SECONDS)
        # Retry only what the API itself asks to repeat: it throttles clients that ask too much.
        self._retries = urllib3.Retry(
            total=5, connect=0, read=0, other=0, redirect=0, status_forcelist=[429],
            allowed_methods=None, backoff_factor=0.2, raise_on_status=False,
        )  # fmt: skip
        if not configuration.verify_ssl:
            # The owner of the kubeconfig chose insecure-skip-tls-verify and needs no warning.
            warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)

    def version(self) -> Body:
        """The version of the API server: {"major": "1", "minor": "30", ...}."""
        return self._ask("GET", "/version", about="version", retries=False) or {}

    def serves(self, api_version: str, plural: str) -> bool:
        """Whether the API has a kind, by its discovery, which every user may read."""
        found = self._ask("GET", f"/apis/{api_version}", about=api_version) or {}
        return any(each.get("name") == plural for each in found.get("resources") or ())

    def get(self, kind: Resource, namespace: str, name: str) -> Body | None:
        """One object; None where there is none."""
        return self._ask("GET", kind.path(namespace, name), about=f"{kind.name}/{name}")

    def list(self, kind: Resource, namespace: str, selector: str) -> list[Body] | None:
        """The objects of a kind by their labels; None where the cluster does not know the kind."""
        query = {"labelSelector": selector}
        found = self._ask("GET", kind.path(namespace), query, about=kind.name)
        if found is None:
            return None
        head = {"apiVersion": kind.api_version, "kind": kind.name}
        return [head | item for item in found.get("items") or []]

    def log(self, namespace: str, pod: str, container: str, lines: int) -> str:
        """The last lines that a container wrote; empty if they cannot be read."""
        import urllib3

        query = urlencode({"container": container, "tailLines": lines})
        url = f"{self._host}/api/v1/namespaces/{namespace}/pods/{pod}/log?{query}"
        try:
            answer = self._pool.request(
                "GET", url, headers=self._headers, timeout=self._timeout, retries=self._retries
            )
        except (urllib3.exceptions.HTTPError, OSError):
            return ""
        return answer.data.decode(errors="replace") if answer.status == 200 else ""

    def dry_run(self, kind: Resource, body: Body, manager: str) -> Body:
        """What a forced server-side apply by a manager would leave; nothing is stored."""
        metadata = body["metadata"]
        path = kind.path(metadata.get("namespace", ""), metadata["name"])
        query = {
            "dryRun": "All", "fieldManager": manager, "force": "true", "fieldValidation": "Strict",
        }  # fmt: skip
        about = f"{kind.name}/{metadata['name']}"
        result = self._ask("PATCH", path, query, body, about=about)
        if result is None:
            raise failure(404, b'{"message": "not found"}', self._host, about)
        return result

    def apply(
        self, kind: Resource, body: Body, manager: str, *, force: bool = False
    ) -> Body | None:
        """Server-side apply of some fields by a manager; only with `force` over another's values.

        Returns the object, or None where its namespace or kind does not exist.
        """
        metadata = body["metadata"]
        path = kind.path(metadata.get("namespace", ""), metadata["name"])
        query = {"fieldManager": manager, "fieldValidation": "Strict"}
        if force:
            query["force"] = "true"
        return self._ask("PATCH", path, query, body, about=f"{kind.name}/{metadata['name']}")

    def merge(self, kind: Resource, namespace: str, name: str, body: Body, manager: str) -> None:
        """JSON merge patch of an object. With its resourceVersion, only as it was read."""
        path, about = kind.path(namespace, name), f"{kind.name}/{name}"
        self._ask("PATCH", path, {"fieldManager": manager}, body, about=about, patch=_MERGE)

    def _ask(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        body: Body | None = None,
        *,
        about: str,
        patch: str = _APPLY,
        retries: bool = True,
    ) -> Body | None:
        import urllib3

        url = f"{self._host}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = self._headers | {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = patch
        try:
            answer = self._pool.request(
                method, url, headers=headers, timeout=self._timeout,
                retries=self._retries if retries else False,
                body=None if body is None else json.dumps(body),
            )  # fmt: skip
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise unreachable(self._host, _reason(error)) from None
        if answer.status == 404:
            return None
        if answer.status >= 400:
            raise failure(answer.status, answer.data, self._host, about)
        try:
            data = json.loads(answer.data)
        except ValueError:
            data = None
        if not isinstance(data, dict):
            raise unreachable(self._host, "does not answer like a Kubernetes API")
        return data


def _reason(error: Exception) -> str:
    """Why a request failed, without the wrapping of the client's exceptions."""
    cause: Any = getattr(error, "reason", None) or error
    text = " ".join(str(cause).split())
    for sign, words in _REASONS:
        if sign in text:
            return f"{words} ({text})" if words == _UNTRUSTED else words
    return f"does not answer: {text}"


_UNTRUSTED = "has a certificate that is not trusted"
_REASONS = (
    ("Unable to connect to proxy", "is behind a proxy that does not answer"),
    ("Connection refused", "does not answer: connection refused"),
    ("timed out", "does not answer in time"),
    ("CERTIFICATE_VERIFY_FAILED", _UNTRUSTED),
)
