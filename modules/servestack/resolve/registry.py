"""The interface between `servestack lock` and any registry of models."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from servestack.spec.artifact_uri import ArtifactUri


@dataclass(frozen=True, slots=True)
class Found:
    """What an address stands for now. `source` is where its bytes are.

    `version` and `run_id` are empty if the registry has none for it. `is_archived` says that the
    registry keeps the version as one that is no longer in use. `through` is the registry's own
    address of exactly this version, where its bytes come only through the registry; else empty.
    """

    source: str
    version: str = ""
    run_id: str = ""
    is_archived: bool = False
    through: str = ""


class Registry(Protocol):
    """Resolves addresses. Both methods raise RegistryError with what is wrong."""

    def find(self, uri: ArtifactUri) -> Found:
        """Return the exact version that an address stands for."""
        ...

    def download(self, found: Found, folder: Path) -> Path:
        """Fetch the bytes, into `folder` if they are remote, and return the artifact's path."""
        ...
