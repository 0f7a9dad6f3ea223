"""The Swagger UI page, from files of the `swagger-ui-bundle` package and some of this module."""

from __future__ import annotations

import gzip
import json
from importlib.util import find_spec
from pathlib import Path

from servestack_server.errors import StartError

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""Header of the page: it loads nothing from another host and runs no inline script."""

PAGE = "index.html"

_FILES = {
    "swagger-ui.css": "text/css; charset=utf-8",
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "favicon-32x32.png": "image/png",
}

_HTML = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="icon" type="image/png" href="docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""

_SCRIPT = """\
window.ui = SwaggerUIBundle({
  url: %s,
  dom_id: "#swagger-ui",
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
});
"""


def swagger_page(openapi_path: str) -> dict[str, tuple[str, bytes]]:
    """Return the files of the page: file name to (content type, bytes).

    Serve `index.html` as `…/docs` and the others as `…/docs/<name>`. The page names them
    relatively, so that a proxy may cut off a prefix. A name that ends in `.gz` is the same file,
    compressed with gzip. `openapi_path` is where the page finds the document: absolute, or
    relative to the page.

    The call takes about 50 ms and 2 MB, so make it for the first reader, not at start. Raises
    StartError if Swagger UI is not installed.
    """
    folder = _bundle_folder()
    page = {
        PAGE: ("text/html; charset=utf-8", _HTML.encode()),
        "start.js": (_FILES["swagger-ui-bundle.js"], _script(openapi_path)),
    }
    for name, content_type in _FILES.items():
        data = (folder / name).read_bytes()
        page[name] = (content_type, data)
        if not name.endswith(".png"):
            page[f"{name}.gz"] = (content_type, gzip.compress(data, 6, mtime=0))
    return page


def _script(openapi_path: str) -> bytes:
    return (_SCRIPT % json.dumps(openapi_path)).encode()


def _bundle_folder() -> Path:
    """Find Swagger UI 5, the first that reads OpenAPI 3.1, without importing its package."""
    spec = find_spec("swagger_ui_bundle")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        for folder in sorted(Path(place).glob("vendor/swagger-ui-*")):
            if int(folder.name.removeprefix("swagger-ui-").partition(".")[0]) >= 5:
                return folder
    raise StartError("Swagger UI 5 is not installed", "install swagger-ui-bundle-v2")
