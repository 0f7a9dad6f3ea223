"""Checks paths from listings and archives, so that none leads out of the folder."""

from __future__ import annotations

from servestack_contract.artifact import why_not_relative
from servestack_server.errors import StartError

_SHOWN_CHARACTERS = 200


def checked_path(text: str, where: str) -> str:
    """Return the path unchanged if it is relative, with '/' between its parts.

    `where` names the listing or archive, for messages. Raises StartError for any other path.
    """
    reason = why_not_relative(text)
    if reason:
        shown = text[:_SHOWN_CHARACTERS]
        raise StartError(
            f"{where} holds {shown!r}, which {reason}",
            "use relative paths in an artifact, with / between their parts",
        )
    return text
