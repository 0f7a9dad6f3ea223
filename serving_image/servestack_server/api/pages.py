"""The Swagger page and the OpenAPI document that it shows, from files of the image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from servestack_contract import routes
from servestack_server.docs_page.swagger import CONTENT_SECURITY_POLICY, PAGE, swagger_page
from servestack_server.http.request import Request
from servestack_server.http.response import JSON, encode_json
from servestack_server.prediction.target import ModelTarget
from servestack_server.service import Service

_PAGE_HEADERS = (
    b"content-security-policy: %b\r\nx-content-type-options: nosniff\r\ncache-control: no-cache\r\n"
    % CONTENT_SECURITY_POLICY.encode()
)
_FILES = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png", "start.js")


class Documentation:
    """Serves `…/docs`, its files and `…/openapi.json`. They are made for the first reader and kept."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._document = b""
        self._files: dict[str, tuple[str, bytes]] = {}

    def add_to(self, page: Callable[[str, Any], None], prefix: str) -> None:
        """Add the page and the document below a prefix. `page(path, handler)` adds one route."""
        page(f"{prefix}{routes.OPENAPI}", self.document)
        page(f"{prefix}{routes.DOCS}", self.file(PAGE))
        for name in _FILES:
            page(f"{prefix}{routes.DOCS}/{name}", self.file(name))

    def document(self, request: Request) -> None:
        """GET …/openapi.json: the OpenAPI document."""
        if not self._document:
            self._document = encode_json(self._described())
        # Tools in a browser may read the document, unless the settings name the allowed origins.
        is_open = self._service.settings.cors is None
        anybody = b"access-control-allow-origin: *\r\n" if is_open else b""
        request.answer(200, self._document, JSON, anybody)

    def file(self, name: str) -> Callable[[Request], None]:
        """Return a handler for one file, which sends it compressed if the browser accepts gzip."""

        def answer(request: Request) -> None:
            if not self._files:
                self._files = swagger_page("openapi.json")
            headers = _PAGE_HEADERS
            content_type, body = self._files[name]
            packed = self._files.get(f"{name}.gz")
            if packed and b"gzip" in request.headers.get(b"accept-encoding", b""):
                body = packed[1]
                headers += b"content-encoding: gzip\r\nvary: accept-encoding\r\n"
            request.answer(200, body, content_type.encode(), headers)

        return answer

    def _described(self) -> dict[str, Any]:
        from servestack_server.docs_page.openapi import openapi_document

        service = self._service
        given = service.settings.input
        return openapi_document(
            service.settings,
            columns=given.columns,
            tensors=given.arrays,
            example=given.example,
            outputs=_outputs(list(service.targets.values())),
            models=[(target.name, target.version) for target in service.targets.values()],
        )


def _outputs(targets: Sequence[ModelTarget]) -> list[dict[str, Any]] | None:
    """Describe the outputs of the only model for the example, in the form of an MLflow signature.

    None if there are several models, no example, or values that are not all of one type.
    """
    example = targets[0].example_outputs if len(targets) == 1 else None
    arrays: dict[str, Any] = example if isinstance(example, dict) else {"predictions": example}
    for array in arrays.values():
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "biufU":
            return None
    return [
        {
            "type": "tensor",
            "name": name,
            "tensor-spec": {
                "dtype": "str" if array.dtype.kind == "U" else array.dtype.name,
                "shape": [-1, *array.shape[1:]],
            },
        }
        for name, array in arrays.items()
    ]
