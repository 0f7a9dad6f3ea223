"""Checks paths from listings and archives, so that none leads out of the folder."""

from __future__ import annotations

import re

from servestack_contract.artifact import is_unclear
from servestack_server.errors import StartError

_DRIVE = re.compile(r"[A-Za-z]:")
_SHOWN_CHARACTERS = 200


def checked_path(text: str, where: str) -> str:
    """Return the path unchanged if it is relative, with '/' between its parts.

    `where` names the listing or archive, for messages. Raises StartError for any other path.
    """
    reason = _reason(text)
    if reason:
        shown = text[:_SHOWN_CHARACTERS]
        raise StartError(
            f"{where} holds {shown!r}, which {reason}",
            "use relative paths in an artifact, with / between their parts",
        )
    return text


def _reason(text: str) -> str:
    parts = text.split("/")
    if text.startswith("/"):
        return "is an absolute path"
    if _DRIVE.match(text):
        return "begins with a drive letter"
    if ".." in parts:
        return "leads out of the folder"
    if "" in parts or "." in parts:
        return "has an empty part"
    if "\0" in text:
        return "holds a NUL"
    if is_unclear(text):
        return "holds a backslash or line break, or is not UTF-8"
    return ""
