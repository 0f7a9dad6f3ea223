"""How the servestack that runs was installed, as a line of a requirements.txt."""

from __future__ import annotations

import json
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Any

_NAME = "servestack"
_LOCAL = """\
# Replace this by a published version, {name}=={version}, before you commit: nobody else has the path.
{name} @ {url}
"""


def requirement() -> str:
    """The text of a requirements.txt that installs the servestack that is running."""
    try:
        found = distribution(_NAME)
    except PackageNotFoundError:
        # On PYTHONPATH, not installed: there is nothing to name but the package.
        return f"{_NAME}\n"
    return requirement_of(found)


def requirement_of(found: Distribution) -> str:
    """A version of an index, a commit, or an address: what direct_url.json (PEP 610) tells."""
    origin: dict[str, Any] = json.loads(found.read_text("direct_url.json") or "{}")
    url = str(origin.get("url", ""))
    if not url:
        return f"{_NAME}=={found.version}\n"
    folder = f"#subdirectory={origin['subdirectory']}" if "subdirectory" in origin else ""
    if "vcs_info" in origin:
        vcs = origin["vcs_info"]
        return f"{_NAME} @ {vcs['vcs']}+{url}@{vcs['commit_id']}{folder}\n"
    if url.startswith("file:"):
        return _LOCAL.format(name=_NAME, version=found.version, url=url + folder)
    return f"{_NAME} @ {url}{folder}\n"
