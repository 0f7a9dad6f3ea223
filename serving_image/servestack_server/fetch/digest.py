"""Computes the digest of what was fetched, with the server's own errors."""

from __future__ import annotations

from pathlib import Path

from servestack_contract import artifact
from servestack_server.errors import StartError


def digest_of(path: Path) -> str:
    """Return the sha256 of a file or folder in hex, as the lock file has it.

    Raises StartError for a folder that is empty, or has links or names that are not allowed.
    """
    try:
        return artifact.digest_of(path).sha256
    except artifact.ArtifactError as error:
        raise StartError(str(error), "use a file, or a folder of plain files") from None
