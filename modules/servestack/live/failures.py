"""Turns refusals of the API into errors for the user."""

from __future__ import annotations

import json
import re
from typing import Any

from servestack.errors import ClusterError, Problem


class RefusedError(ClusterError):
    """The API refused one request; others may go through."""


_FORBIDDEN = re.compile(r'User "[^"]*" cannot .*', re.DOTALL)
_BUSY = (429, 502, 503, 504)


def failure(status: int, body: bytes, host: str, about: str) -> ClusterError:
    """The error for an answer of 400 or more. `about` names the object that was asked for."""
    message = _message(body)
    if status == 401:
        hint = "renew the credentials; does `kubectl get pods` work with this context?"
        return ClusterError(Problem("SRV533", f"{host} does not accept the credentials", hint=hint))
    forbidden = _FORBIDDEN.search(message)
    if status == 403 and forbidden:
        hint = "a dry run needs the same rights as applying: get, list, create and patch"
        return RefusedError(Problem("SRV535", f"forbidden: {forbidden[0]}", hint=hint))
    if message and status not in _BUSY:
        return RefusedError(Problem("SRV538", f"{about}: the cluster refuses it: {message}"))
    said = message or body[:80].decode(errors="replace")
    return unreachable(host, f"answers {status}: {said}")


def unreachable(host: str, reason: str) -> ClusterError:
    """The error for a host that does not answer as a cluster; `reason` continues the sentence."""
    hint = "is it running, is the network up, and is the context the right one?"
    return ClusterError(Problem("SRV534", f"the cluster at {host} {reason}", hint=hint))


def _message(body: bytes) -> str:
    """The message of a Status object; empty where the body is something else."""
    try:
        status: Any = json.loads(body)
    except ValueError:
        return ""
    message = status.get("message") if isinstance(status, dict) else None
    return message if isinstance(message, str) else ""
