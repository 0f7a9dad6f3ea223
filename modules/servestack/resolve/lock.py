"""The lock: what the world answered, written down so that renders reproduce.

`stacks/<env>.lock.yaml` is YAML, but every artifact is one line whose value is a JSON object,
so that a moved alias is one changed line in review, and a thousand models read in milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class LockedArtifact:
    """One artifact, pinned. Strings are empty where the registry has nothing to say.

    `uri` is the address as the spec writes it, `source` where the bytes are, `format` one of
    pickle, skops, onnx, native, `sha256` the tree digest (`servestack.resolve.digest`) in hex,
    `signature` MLflow's: {"inputs": [...], "outputs": [...]}, each a list of
    {"name", "type", "required"} or {"type": "tensor", "tensor-spec": {"dtype", "shape"}}.
    """

    uri: str
    version: str = ""
    run_id: str = ""
    source: str = ""
    flavor: str = ""
    format: str = ""
    sha256: str = ""
    size_bytes: int = 0
    signature: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Lock:
    """All artifacts of one environment: model service → model → artifact."""

    environment: str
    models: dict[str, dict[str, LockedArtifact]] = field(default_factory=dict)
