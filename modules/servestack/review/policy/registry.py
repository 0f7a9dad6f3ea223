"""All rules, by id."""

from __future__ import annotations

from servestack.review.policy import artifacts, fit, guard_rails, pods
from servestack.review.policy.rule import Rule

RULES: tuple[Rule, ...] = (*pods.RULES, *artifacts.RULES, *guard_rails.RULES, *fit.RULES)
