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
    shadow,
    sizes,
    start,
    topics,
)
from servestack.review.policy.rule import Rule, registered

RULES: tuple[Rule, ...] = registered()
"""All rules, sorted by id."""
OF_ARTIFACTS: tuple[Rule, ...] = tuple(
    rule
    for rule in RULES
    if rule.check.__module__ in {module.__name__ for module in (artifacts, provisions, start)}
)
"""Those that ask whether an artifact may be served and can be loaded: they hold for a shadow too."""
