"""Turns failures of Azure's clients into messages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from servestack_server.errors import StartError, first_line
from servestack_server.fetch.sources.http_failures import reason_of
from servestack_server.fetch.sources.source import PassingError

_THROTTLED = (408, 429)
_NO_CONTAINER = "ContainerNotFound"
_CHANGED = 412


@contextmanager
def explained(shown: str, where: str, hint: str) -> Iterator[None]:
    """Raise StartError or PassingError for errors of Azure's clients in a block.

    `where` names container and account.
    """
    try:
        from azure.core.exceptions import AzureError
    except ImportError:
        yield  # The block says which package is missing.
        return
    try:
        yield
    except AzureError as error:
        raise _explain(error, shown, where, hint) from None
    except ValueError as error:
        # A key that is not base64, or a token that no header can hold; neither is shown.
        raise StartError(
            f"{shown}: no access: the credentials are not well-formed ({type(error).__name__})",
            hint,
        ) from None


def _explain(error: Any, shown: str, where: str, hint: str) -> StartError | PassingError:
    from azure.core.exceptions import (
        ClientAuthenticationError,
        ServiceRequestError,
        ServiceResponseError,
    )

    response = getattr(error, "response", None)
    status = getattr(error, "status_code", None) or getattr(response, "status_code", None)
    code = getattr(error, "error_code", None) or ""
    code = str(getattr(code, "value", code))
    answer = f"answered {status}{f' {code}' if code else ''}"
    if status is None and isinstance(error, ClientAuthenticationError):
        return StartError(f"{shown}: no access: {first_line(error)}", hint)
    if isinstance(error, ServiceRequestError | ServiceResponseError):
        return _no_answer(str(error), type(error).__name__, shown, hint)
    if status is None:
        return PassingError(first_line(error))
    if status == 404:
        if code == _NO_CONTAINER:
            return StartError(f"{shown}: there is no {where}: {answer}", "check the address")
        return StartError(f"{shown}: is not there: {answer}", "check the address")
    if status in (401, 403, 409) or isinstance(error, ClientAuthenticationError):
        return StartError(f"{shown}: access is refused: {answer}", hint)
    if status == _CHANGED:
        return PassingError("it changed during the download")
    if status in _THROTTLED or status >= 500:
        return PassingError(answer, _retry_after_seconds(response))
    return StartError(f"{shown}: {answer}: {first_line(error)}", hint)


def _no_answer(text: str, kind: str, shown: str, hint: str) -> StartError | PassingError:
    """Return the error for a request that got no answer."""
    if "certificate verify failed" in text.lower():
        trust = "name a file with its authority in REQUESTS_CA_BUNDLE"
        return StartError(f"{shown}: the server's certificate is not trusted", trust)
    return PassingError(reason_of(text, kind))


def _retry_after_seconds(response: Any) -> float:
    text = (getattr(response, "headers", None) or {}).get("Retry-After", "")
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 6 else 0.0
