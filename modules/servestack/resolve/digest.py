"""The digest of an artifact for the lock, told in servestack's own errors."""

from __future__ import annotations

from pathlib import Path

from servestack.errors import Location, Problem, RegistryError
from servestack_contract import artifact
from servestack_contract.artifact import Digest


def digest_of(path: Path) -> Digest:
    """Digest of a file or folder. RegistryError for what is refused, cannot be read, or is empty."""
    try:
        return artifact.digest_of(path)
    except artifact.ArtifactError as error:
        hint = "an artifact is a file, or a folder of plain files"
        message = f"{error.path.name} {error.reason}"
        raise RegistryError(Problem("SRV221", message, Location(error.path), hint=hint)) from None
