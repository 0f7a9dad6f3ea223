"""Turns failures of HTTP connections into messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servestack_server.errors import StartError
from servestack_server.fetch.sources.source import PassingError

if TYPE_CHECKING:
    from urllib3.exceptions import HTTPError

_UNTRUSTED = "certificate verify failed"
_NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")
_REASONS = (
    ("Connection refused", "the connection is refused"),
    ("Name or service not known", "its host name is not known"),
    ("Temporary failure in name resolution", "its host name is not known"),
    ("No address associated", "its host name is not known"),
    ("timed out", "there was no answer in time"),
    ("IncompleteRead", "the answer ended too soon"),
    ("Connection reset", "the connection was reset"),
    ("without response", "it closed the connection without an answer"),
    ("Network is unreachable", "its network cannot be reached"),
    ("No route to host", "its network cannot be reached"),
)


def failure_of(error: HTTPError, shown: str, hint: str) -> StartError | PassingError:
    """Return StartError if trying again cannot help, as for an untrusted certificate.

    Returns PassingError for every failure that may pass.
    """
    from urllib3.exceptions import LocationValueError, SSLError

    if isinstance(error, LocationValueError):
        return StartError(f"{shown}: is not an address", hint)
    text = str(error)
    if isinstance(error, SSLError):
        if _UNTRUSTED in text:
            why = text.partition(_UNTRUSTED)[2].strip(": ").partition(" (_ssl")[0]
            trust = (
                "add its authority to SSL_CERT_FILE (for MLflow: MLFLOW_TRACKING_SERVER_CERT_PATH)"
            )
            return StartError(f"{shown}: its certificate is not trusted: {why}", trust)
        if any(sign in text for sign in _NOT_TLS):
            return StartError(f"{shown}: the server does not speak https there", hint)
        # A server that dies in the middle of a file also breaks the TLS connection.
        return PassingError("the TLS connection broke")
    return PassingError(reason_of(text, type(error).__name__))


def reason_of(text: str, otherwise: str) -> str:
    """Return plain words for the text of a failed connection, or else its own last words."""
    for sign, reason in _REASONS:
        if sign in text:
            return reason
    return text.rpartition(": ")[2] or otherwise
