"""What the server writes for others to read: the kinds of events.

Each kind has a folder of its own under the events' folder, a Kafka topic, and a type that its events
carry (logging/event.schema.json has what is in them).
"""

from __future__ import annotations

from typing import Literal, get_args

Kind = Literal["predictions", "feedback", "access", "custom"]
KINDS: tuple[Kind, ...] = get_args(Kind)
TYPES: dict[Kind, str] = {
    "predictions": "prediction.v1",
    "feedback": "feedback.v1",
    "access": "access.v1",
    "custom": "custom.v1",
}
"""`type` of the events of a kind; another content is another version."""
