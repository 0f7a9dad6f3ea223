"""Counts in words: the noun and the verb agree with the number."""

from __future__ import annotations

import pytest

from servestack.words import counted


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 objects change"), (1, "1 object changes"), (2, "2 objects change")],
)
def test_noun_and_verb_agree(count: int, text: str) -> None:
    assert counted(count, "object", "change") == text
    assert counted(count, "object") == text.rpartition(" ")[0]
