"""Texts of dates and times in ISO 8601, with up to nine digits of a second that count."""

from __future__ import annotations

from datetime import datetime

from hypothesis import strategies as st

_FROM, _TO = datetime(1678, 1, 2), datetime(2261, 12, 30)
ZONES = st.sampled_from(["", "", "Z", "+00:00", "+02:00", "-03:30", "+14:00", "-00:15"])


@st.composite
def moment_texts(draw: st.DrawFn, zones: st.SearchStrategy[str] = ZONES, mark: str = ".") -> str:
    """A text that has an exact value in nanoseconds; zeros may follow the ninth digit."""
    whole = draw(st.datetimes(_FROM, _TO)).replace(microsecond=0).isoformat()
    digits = draw(st.from_regex(r"[0-9]{0,9}", fullmatch=True))
    if len(digits) == 9:
        digits += "0" * draw(st.integers(0, 4))
    return whole + (mark + digits if digits else "") + draw(zones)
