"""The port through which `servestack lock` asks for models: what any registry must answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from servestack.spec.artifact_uri import ArtifactUri


@dataclass(frozen=True, slots=True)
class Found:
    """What an address stands for now. `source` is where its bytes are."""

    source: str
    version: str = ""
    run_id: str = ""


class Registry(Protocol):
    """Answers for addresses. Both methods raise RegistryError with what is wrong."""

    def find(self, uri: ArtifactUri) -> Found:
        """The exact version behind an address."""
        ...

    def download(self, found: Found, folder: Path) -> Path:
        """Fetch the bytes into a folder; returns the artifact's file or folder in it."""
        ...
