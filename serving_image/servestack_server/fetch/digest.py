"""The digest of what was fetched, told in the server's own errors."""

from __future__ import annotations

from pathlib import Path

from servestack_contract import artifact
from servestack_server.errors import StartError


def digest_of(path: Path) -> str:
    """sha256 in hex of a file or folder. StartError for links, odd names, or nothing in it."""
    try:
        return artifact.digest_of(path).sha256
    except artifact.ArtifactError as error:
        raise StartError(str(error), "an artifact is a file, or a folder of plain files") from None
