"""Computes the digest of an artifact for the lock, and raises servestack's own errors."""

from __future__ import annotations

from pathlib import Path

from servestack.errors import Location, Problem, RegistryError
from servestack_contract import artifact
from servestack_contract.artifact import Digest


def digest_of(path: Path) -> Digest:
    """Return the digest of a file or folder.

    Raises RegistryError (SRV221) if it is empty, cannot be read, or contains links, special files
    or names that cannot be digested.
    """
    try:
        return artifact.digest_of(path)
    except artifact.ArtifactError as error:
        hint = "use a file, or a folder of plain files"
        message = f"{error.path.name} {error.reason}"
        raise RegistryError(Problem("SRV221", message, Location(error.path), hint=hint)) from None
