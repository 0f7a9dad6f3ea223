"""The error of everything that may convert a model."""

from __future__ import annotations


class NotConvertedError(Exception):
    """The model has no other form. The message says why, in one line."""
