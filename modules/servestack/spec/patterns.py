"""Patterns of texts in a spec, each with words for whoever wrote something else."""

from __future__ import annotations

_WORDS: dict[str, str] = {}


def described(pattern: str, words: str) -> str:
    """The pattern itself, for a field. `words` end a sentence that begins with "write"."""
    _WORDS[pattern] = words
    return pattern


def words_for(pattern: str) -> str:
    """What a pattern asks for. KeyError for one that was not described."""
    return _WORDS[pattern]
