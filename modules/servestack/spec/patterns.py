"""Patterns of text fields, each with words for the message about a value that does not match."""

from __future__ import annotations

_WORDS: dict[str, str] = {}


def described(pattern: str, words: str) -> str:
    """Register words for a pattern, and return the pattern.

    `words` complete a sentence that begins with "write".
    """
    _WORDS[pattern] = words
    return pattern


def words_for(pattern: str) -> str:
    """Return the words of a pattern. Raises KeyError if it has none."""
    return _WORDS[pattern]
