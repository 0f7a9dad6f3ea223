"""Event settings, and the events of a folder read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

KINDS = ("predictions", "feedback", "access", "custom")


def events(folder: Path, *kinds: str, **settings: Any) -> dict[str, Any]:
    """The section of service.json; the folder is made."""
    folder.mkdir(parents=True, exist_ok=True)
    return {
        "folder": str(folder), "source": "/tests", "kinds": kinds or ("predictions",),
        "predictions": {},
    } | settings  # fmt: skip


def read(folder: Path, kind: str = "predictions") -> list[dict[str, Any]]:
    """All events of a kind. ValueError for a line that is not whole."""
    found = []
    for file in sorted(folder.glob(f"{kind}-*.ndjson")):
        data = file.read_bytes()
        if data and not data.endswith(b"\n"):
            raise ValueError(f"{file.name} ends within a line")
        found += [json.loads(line) for line in data.splitlines()]
    return found
