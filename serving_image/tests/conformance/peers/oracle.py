"""MLflow's own scoring server, asked without a socket."""

from __future__ import annotations

import asyncio
import json
import os
import warnings
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any
from unittest import mock

from serving_image.tests.conformance.peers.case import Case, Expected

_SERVING = {"_MLFLOW_IS_IN_SERVING_ENVIRONMENT": "true"}
"""How MLflow knows that its server asks, which sets it for the whole process."""


class MlflowServer:
    """The scoring server of the model in a folder."""

    def __init__(self, folder: Path) -> None:
        import mlflow.pyfunc
        from mlflow.pyfunc.scoring_server import init

        with warnings.catch_warnings(), mock.patch.dict(os.environ, _SERVING):
            warnings.simplefilter("ignore")
            self._app = init(mlflow.pyfunc.load_model(str(folder)))

    def answer(self, case: Case) -> Expected:
        """Return what it answers, with what the case says further."""
        with warnings.catch_warnings(), mock.patch.dict(os.environ, _SERVING):
            warnings.simplefilter("ignore")
            status, body = asyncio.run(_call(self._app, case))
        if status == 200 and case.further is None:
            return Expected(status, _json(body), exact=True)
        return Expected(status, case.further)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:  # /ping answers an empty line
        return None


async def _call(app: Any, case: Case) -> tuple[int, bytes]:
    """Ask an ASGI application. A failure of its own is a 500, as any server makes it."""
    status, parts = 500, []
    path, _, query = case.path.partition("?")
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": case.method,
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": query.encode(),
        "root_path": "", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
        "headers": [(name.lower().encode(), value.encode()) for name, value in case.headers.items()],
    }  # fmt: skip
    waiting = [{"type": "http.request", "body": case.body or b"", "more_body": False}]

    async def receive() -> MutableMapping[str, Any]:
        return waiting.pop() if waiting else await asyncio.Future()

    async def send(message: MutableMapping[str, Any]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            parts.append(message.get("body", b""))

    try:
        await app(scope, receive, send)
    except Exception:
        return 500, b""
    return status, b"".join(parts)
