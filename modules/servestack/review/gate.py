"""The check before rendering and applying: an error stops both."""

from __future__ import annotations

from pathlib import Path

from servestack.errors import ResolveError
from servestack.project import Built, build_environment
from servestack.review.findings import errors, find


def build_checked(root: Path, environment: str) -> Built:
    """Build an environment and check it against schemas and policy.

    Raises ServestackError with every finding of severity error.
    """
    built = build_environment(root, environment)
    findings = find(built.services, built.manifests, built.inputs.environment.document)
    broken = errors(findings)
    if broken:
        raise ResolveError(finding.as_problem() for finding in broken)
    return built
