"""Checks that the spec trusts an artifact before it may run code."""

from __future__ import annotations

from pathlib import Path

from servestack_contract.settings import Trust
from servestack_server.errors import StartError


def require_pickle(trust: Trust, what: str) -> None:
    """Raise StartError unless the spec trusts pickles, because reading one can run any code."""
    if not trust.pickle:
        raise StartError(
            f"{what} is a pickle, which can run any code when it is read",
            "save it in a safe format (skops, native, onnx), or, if you made this artifact, add to "
            "the spec: trust: {pickle: true}",
        )


def require_code(trust: Trust, what: str) -> None:
    """Raise StartError unless the spec trusts the artifact's code, or pickles, which can do as much."""
    if not (trust.code or trust.pickle):
        raise StartError(
            f"{what} is code of the artifact, which the spec does not trust",
            "if you made this artifact, add to the spec: trust: {code: true}",
        )


def untrusted_types(file: Path, types: list[str]) -> StartError:
    """Return the error for types in a skops file that the spec does not trust."""
    return StartError(
        f"{file.name}: holds types that are not trusted: {', '.join(types)}",
        f"check what they do, then add to the spec: trust: {{skopsTypes: [{', '.join(types)}]}}",
    )
