"""Counts in words."""

from __future__ import annotations


def counted(count: int, noun: str, verb: str = "") -> str:
    """A count with its noun and verb in the right number: `1 object changes`, `2 objects change`.

    `verb` is the form for several. Both words take an s for the other number.
    """
    one = count == 1
    words = [str(count), noun if one else f"{noun}s"]
    if verb:
        words.append(f"{verb}s" if one else verb)
    return " ".join(words)
