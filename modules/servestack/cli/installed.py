"""Writes the requirements.txt that installs the running servestack."""

from __future__ import annotations

import json
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from typing import Any

_NAME = "servestack"
_LOCAL = """\
# Replace this with a published version, {name}=={version}, before you commit: only this machine has the path.
{name} @ {url}
"""


def requirement() -> str:
    """Return the text of a requirements.txt that installs the running servestack."""
    try:
        found = distribution(_NAME)
    except PackageNotFoundError:
        # It is on PYTHONPATH, not installed, so only the package's name is known.
        return f"{_NAME}\n"
    return requirement_of(found)


def requirement_of(found: Distribution) -> str:
    """Return the line for an installed package, from its direct_url.json (PEP 610).

    The line names a version of an index, a commit, or an address.
    """
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
