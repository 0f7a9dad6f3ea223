"""The check before rendering and applying: an error stops both."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from servestack.claims import Claim, find_claims
from servestack.errors import Location, ResolveError
from servestack.project import Built, build_environment
from servestack.review.findings import Finding, errors, find
from servestack.spec.model_files import Selection


def build_checked(root: Path, environment: str) -> Built:
    """Build an environment and check it, alone and beside the project's other environments.

    Raises ServestackError with every finding of severity error.
    """
    refuse_claims(root, (environment,))
    return build_valid(root, environment)


def build_valid(root: Path, environment: str, selection: Selection | None = None) -> Built:
    """Build an environment, or the selected models of it, and check it against schemas and policy.

    Raises ServestackError with every finding of severity error.
    """
    built = build_environment(root, environment, selection)
    refuse(find(built.services, built.manifests, built.inputs.environment.document))
    return built


def refuse(findings: Iterable[Finding]) -> None:
    """Raise ResolveError with the findings of severity error, if there are any."""
    if broken := errors(findings):
        raise ResolveError(finding.as_problem() for finding in broken)


def claim_findings(claims: Sequence[Claim], environment: str) -> tuple[Finding, ...]:
    """What an environment claims together with others, as findings of severity error."""
    problems = (claim.problem for claim in claims if environment in claim.environments)
    return tuple(
        Finding(p.id, "error", "", p.message, p.location or Location(Path()), p.field, p.hint)
        for p in problems
    )


def refuse_claims(root: Path, environments: Collection[str]) -> None:
    """Raise ResolveError with all that one of these environments claims together with another."""
    claims = find_claims(root, environments)
    if claims:
        raise ResolveError(claim.problem for claim in claims)
