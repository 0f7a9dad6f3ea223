"""The check before rendering and applying: an error stops both."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from servestack.errors import ResolveError
from servestack.project import Built, build_environment
from servestack.review.findings import Finding, errors, find


def build_checked(root: Path, environment: str) -> Built:
    """Build an environment and check it against schemas and policy.

    Raises ServestackError with every finding of severity error.
    """
    built = build_environment(root, environment)
    refuse(find(built.services, built.manifests, built.inputs.environment.document))
    return built


def refuse(findings: Iterable[Finding]) -> None:
    """Raise ResolveError with the findings of severity error, if there are any."""
    if broken := errors(findings):
        raise ResolveError(finding.as_problem() for finding in broken)
