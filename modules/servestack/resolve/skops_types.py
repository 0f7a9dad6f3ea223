"""Asks skops which types in a file it does not trust, as the server asks before it loads one."""

from __future__ import annotations

import warnings
from pathlib import Path


def untrusted_types(file: Path) -> list[str]:
    """Return the types that a spec must trust; empty for a file that skops cannot read.

    Nothing in the file is made into an object for this.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from skops.io import get_untrusted_types

            return list(get_untrusted_types(file=file))
        except Exception:  # a broken file, or one of another version, can raise anything
            return []
