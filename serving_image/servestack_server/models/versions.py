"""A model of another framework version than the image's is worth a line."""

from __future__ import annotations

import logging

_log = logging.getLogger(__name__)


def warn_other_version(framework: str, saved_with: str, here: str, *, pickled: bool) -> None:
    """Warn where major or minor differ; the patch level may."""
    if not saved_with or saved_with.split(".")[:2] == here.split(".")[:2]:
        return
    risk = (
        "a pickled model of another version may fail or, worse, answer differently"
        if pickled
        else "compare its answers on the example"
    )
    _log.warning("model saved with %s %s, this image has %s: %s", framework, saved_with, here, risk)
