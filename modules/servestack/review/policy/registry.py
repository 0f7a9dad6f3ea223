"""All rules. To register a new module of rules, import it here."""

from __future__ import annotations

from servestack.review.policy import (  # noqa: F401
    additions,
    artifacts,
    drift,
    exposure,
    fit,
    guard_rails,
    own_metadata,
    pods,
    provisions,
    sizes,
    start,
    topics,
)
from servestack.review.policy.rule import Rule, registered

RULES: tuple[Rule, ...] = registered()
"""All rules, sorted by id."""
