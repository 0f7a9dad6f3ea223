"""Warns of a model that another version of its framework has saved."""

from __future__ import annotations

import logging

_log = logging.getLogger(__name__)


def warn_other_version(framework: str, saved_with: str, here: str, *, pickled: bool) -> None:
    """Warn if the major or minor versions differ. A different patch level is fine."""
    if not saved_with or saved_with.split(".")[:2] == here.split(".")[:2]:
        return
    risk = (
        "a pickled model of another version may fail, or silently give other answers"
        if pickled
        else "compare its answers on the example"
    )
    _log.warning(
        "the model was saved with %s %s, this image has %s: %s", framework, saved_with, here, risk
    )
