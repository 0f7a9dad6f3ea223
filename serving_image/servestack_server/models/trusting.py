"""What must be vouched for in the spec before an artifact may run code."""

from __future__ import annotations

from pathlib import Path

from servestack_contract.settings import Trust
from servestack_server.errors import StartError


def require_pickle(trust: Trust, what: str) -> None:
    """StartError unless the spec trusts pickles: reading one can run any code."""
    if not trust.pickle:
        raise StartError(
            f"{what} is a pickle, which can run any code when it is read",
            "save it in a safe format (skops, native, onnx), or add to the spec, if you made this "
            "artifact: trust: {pickle: true}",
        )


def require_code(trust: Trust, what: str) -> None:
    """StartError unless the spec trusts the artifact's code, or its pickles, which can do as much."""
    if not (trust.code or trust.pickle):
        raise StartError(
            f"{what} is code of the artifact",
            "add to the spec, if you made this artifact: trust: {code: true}",
        )


def untrusted_types(file: Path, types: list[str]) -> StartError:
    """The error for types of a skops file that nobody vouched for."""
    return StartError(
        f"{file.name}: holds types that are not trusted: {', '.join(types)}",
        f"read what they do, then add to the spec: trust: {{skopsTypes: [{', '.join(types)}]}}",
    )
