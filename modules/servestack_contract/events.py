"""The kinds of events that the server writes.

Each kind has its own folder under the events' folder, its own Kafka topic, and its own event type.
logging/event.schema.json defines their content.
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
"""The `type` of each kind's events. Other content gets another version."""
