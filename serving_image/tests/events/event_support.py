"""What the tests of events share: settings, lines, and what is on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs

from servestack_contract.settings import Events

SCHEMA = json.loads((Path(__file__).parents[3] / "logging/event.schema.json").read_text())
# Consumers ignore members that they do not know. Ours may have none that is not described.
SCHEMA["properties"]["data"]["additionalProperties"] = False
VALIDATOR = jsonschema_rs.validator_for(SCHEMA, validate_formats=True)

KINDS = ("predictions", "feedback", "access")


def settings(folder: Path, **changes: Any) -> Events:
    """Event settings with small limits."""
    given: dict[str, Any] = {
        "folder": str(folder),
        "source": "/models/iris",
        "kinds": KINDS,
        "max_event_bytes": 1 << 14,
        "disk_budget_bytes": 4 << 20,
    }
    return Events(**(given | changes))


def line(number: int, length: int = 300) -> bytes:
    """An event of about this length, whose id holds the number."""
    start = b'{"id":"0b5a7c1e-6c1f-4f0e-9a57-%012d","source":"/models/iris","x":"' % number
    return start + b"y" * (length - len(start) - 2) + b'"}'


def number_of(event: dict[str, Any]) -> int:
    """The number in the id of an event."""
    return int(event["id"][-12:])


def lines_on_disk(folder: Path, kind: str = "predictions") -> list[dict[str, Any]]:
    """All events of a kind, in the order of the files' names; whatever is not JSON fails."""
    found = []
    for file in sorted(folder.glob(f"{kind}-*.ndjson")):
        text = file.read_bytes()
        assert text.endswith(b"\n"), file
        found += [json.loads(part) for part in text.splitlines()]
    return found


def losses(writer: Any) -> dict[tuple[str, str], int]:
    """What was dropped, without the zeros."""
    return {key: count for key, count in writer.dropped.items() if count}
