"""From where `fetch` reads artifacts: one table, which fetch serves and `check` reads.

To add a scheme: its row here, and its reader in `servestack_server/fetch/sources/choose.py`.
"""

from __future__ import annotations

from typing import Literal
from urllib.parse import unquote, urlsplit

import msgspec

from servestack_contract.artifact import why_not_relative

Reader = Literal["local", "mlflow", "https", "object store"]

MAX_DOWNLOAD_BYTES = 20 * 2**30
"""Size of the largest artifact that is fetched."""


class Scheme(msgspec.Struct, frozen=True):
    """A scheme that is fetched: by which reader, its form for messages, and the package of fsspec
    that reads it, where one does."""

    reader: Reader
    form: str
    package: str = ""


SCHEMES = {
    "mlflow-artifacts": Scheme("mlflow", "mlflow-artifacts:/…"),
    "https": Scheme("https", "https://…"),
    "s3": Scheme("object store", "s3://…", "s3fs"),
    "gs": Scheme("object store", "gs://…", "gcsfs"),
    "file": Scheme("local", "file:…"),
    "": Scheme("local", "a path"),
}
FORMS = ", ".join(scheme.form for scheme in SCHEMES.values())


class Refusal(msgspec.Struct, frozen=True):
    """Why an address is not fetched, without secrets, and what would be right."""

    message: str
    hint: str = ""


def why_not_fetched(source: str) -> Refusal | None:
    """Return why fetch refuses an address before it asks anyone; None if it does not."""
    try:
        parts = urlsplit(source)
    except ValueError as error:
        return Refusal(f"{source!r} is not an address: {error}", f"use {FORMS}")
    shown = without_secrets(source)
    scheme = SCHEMES.get(parts.scheme)
    if scheme is not None:
        return _why_not_read(source, scheme)
    if parts.scheme == "http":
        return Refusal(f"{shown}: plain http can be changed in transit", "use https")
    if parts.scheme in ("models", "runs"):
        hint = "run servestack lock, which writes the exact address that a pod fetches"
        return Refusal(f"{shown}: can stand for another artifact later", hint)
    return Refusal(f"{shown}: artifacts are not fetched from {parts.scheme}:", f"use {FORMS}")


def _why_not_read(source: str, scheme: Scheme) -> Refusal | None:
    parts = urlsplit(source)
    match scheme.reader:
        case "local":
            if parts.netloc not in ("", "localhost"):
                return Refusal(
                    f"{source}: names another machine", "use file:/path or file:relative/path"
                )
            if "\0" in source:
                return Refusal(f"{source!r} is not a path")
        case "object store":
            # A key may hold `?` and `#`.
            root = source.partition("://")[2].rstrip("/")
            if "@" in parts.netloc or "/" not in root:
                return Refusal(
                    f"{parts.scheme}: the address needs a bucket and a path, and no credentials"
                )
        case "mlflow":
            path = unquote(parts.path).strip("/")
            if reason := why_not_relative(path):
                return Refusal(
                    f"{without_secrets(source)}: its path {reason}",
                    "use relative paths in an artifact, with / between their parts",
                )
    return None


def without_secrets(uri: str) -> str:
    """Return an address without user, password, query and fragment."""
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
