"""Paths that others chose: in listings and archives. None may lead out of the folder."""

from __future__ import annotations

import re

from servestack_server.errors import StartError

_UNCLEAR = re.compile(r"[\n\r\\\ud800-\udfff]")
"""What a checksum file cannot hold as it is: line breaks, backslashes, names not in UTF-8."""
_DRIVE = re.compile(r"[A-Za-z]:")
_SHOWN_CHARACTERS = 200


def is_unclear(name: str) -> bool:
    """Whether two folders could have the same digest, were such names let in."""
    return _UNCLEAR.search(name) is not None


def checked_path(text: str, where: str) -> str:
    """The path itself, relative and with '/' between its parts; StartError for any other."""
    reason = _reason(text)
    if reason:
        shown = text[:_SHOWN_CHARACTERS]
        raise StartError(
            f"{where} holds {shown!r}, which {reason}",
            "paths of an artifact are relative, with / between their parts",
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
