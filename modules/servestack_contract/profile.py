"""The profile of a model's training data, `servestack_profile.json` in the model's folder.

`servestack.profile` writes it where the model is trained, and the model server compares with it what
the model is asked. It holds counts, the edges of buckets and the most common categories: no rows.
The tree digest of the artifact covers the file (`artifact.py`).

Each column is one list of buckets. A number goes into the bucket `[cut, next cut)`, a category into
that of its value. What is missing (null, NaN) is counted in a bucket of its own, and so is every
value that has no other bucket.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec

from servestack_contract.artifact import ArtifactError
from servestack_contract.settings import NESTED_TYPES

FILE = "servestack_profile.json"
VERSION = 1

MAX_BINS = 20
MAX_CATEGORIES = 20
MAX_COLUMNS = 500
"""Columns of one profile. `servestack.profile` leaves further ones out, and says so."""
MAX_BYTES = 4 << 20
_MAX_LABEL = 60

NULL = "(null)"
"""Label of the bucket for missing values."""
OTHER = "(other)"
"""Label of the bucket for values that have no other bucket."""

WITHOUT_BUCKETS = frozenset({*NESTED_TYPES, "binary", "datetime"})
"""Types of columns that are never profiled. Dates always move."""

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
Value: TypeAlias = str | bool | int | float
Name: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class _Part(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Base of every object in the file."""


class _Counted(_Part, frozen=True, kw_only=True):
    """One column. `counts` has one entry per bucket; `nulls` and `other` are the last two.

    `position` is that in the data, from 0; columns that are left out count.
    """

    name: Name
    position: Annotated[int, msgspec.Meta(ge=0)]
    counts: Annotated[tuple[Count, ...], msgspec.Meta(min_length=1, max_length=MAX_BINS + 1)]
    nulls: Count = 0
    other: Count = 0

    @property
    def all_counts(self) -> tuple[int, ...]:
        """Rows of every bucket, in the order of `labels`."""
        return (*self.counts, self.nulls, self.other)

    @property
    def rows(self) -> int:
        """Rows of all buckets together."""
        return sum(self.all_counts)

    @property
    def degrees_of_freedom(self) -> int:
        """Of a comparison with this column: one less than its buckets, empty ones included."""
        return len(self.all_counts) - 1


class NumericColumn(_Counted, frozen=True, kw_only=True, tag_field="kind", tag="numeric"):
    """Numbers. The cuts rise; the first bucket is below the first of them, the last one open."""

    cuts: Annotated[tuple[float, ...], msgspec.Meta(max_length=MAX_BINS)]

    @property
    def labels(self) -> tuple[str, ...]:
        """What each bucket is called: `(-Inf, 4.3)`, `[4.3, 5.1)`, `[5.1, +Inf)`."""
        ends = ["-Inf", *map(_number, self.cuts), "+Inf"]
        opened = ["(", *["["] * len(self.cuts)]
        spans = zip(opened, ends, ends[1:], strict=False)
        return (*(f"{bracket}{low}, {high})" for bracket, low, high in spans), NULL, OTHER)

    def why_wrong(self) -> str:
        """Return what contradicts itself; empty if nothing does."""
        if len(self.counts) != len(self.cuts) + 1:
            return f"has {len(self.counts)} counts for {len(self.cuts)} cuts"
        rising = all(low < high for low, high in zip(self.cuts, self.cuts[1:], strict=False))
        if not rising or not all(map(math.isfinite, self.cuts)):
            return "has cuts that do not rise"
        return ""


class CategoryColumn(_Counted, frozen=True, kw_only=True, tag_field="kind", tag="category"):
    """Texts, booleans or few whole numbers: the most common values, and all others together."""

    values: Annotated[tuple[Value, ...], msgspec.Meta(max_length=MAX_CATEGORIES)]

    @property
    def labels(self) -> tuple[str, ...]:
        """What each bucket is called: the value itself, shortened if it is long."""
        return (*map(category_label, self.values), NULL, OTHER)

    def why_wrong(self) -> str:
        """Return what contradicts itself; empty if nothing does."""
        if len(self.counts) != len(self.values):
            return f"has {len(self.counts)} counts for {len(self.values)} values"
        return "has a value twice" if len(set(self.labels)) != len(self.labels) else ""


ProfiledColumn: TypeAlias = NumericColumn | CategoryColumn
Columns: TypeAlias = Annotated[tuple[ProfiledColumn, ...], msgspec.Meta(max_length=MAX_COLUMNS)]


class LeftOut(_Part, frozen=True):
    """A column that has no buckets, and why."""

    name: Name
    reason: str


class Profile(_Part, frozen=True, kw_only=True):
    """The whole file.

    `width` is the number of columns of the data, those that are left out included. `is_by_position`
    says that they had no names: they are called by their position, from 0. `predictions` has one
    entry for each output of the model.
    """

    version: int = VERSION
    rows: Annotated[int, msgspec.Meta(ge=1)]
    width: Annotated[int, msgspec.Meta(ge=1)]
    is_by_position: bool = False
    columns: Columns
    predictions: Columns = ()
    left_out: Annotated[tuple[LeftOut, ...], msgspec.Meta(max_length=MAX_COLUMNS)] = ()


class _Version(msgspec.Struct):
    version: int


def read_profile(file: Path) -> Profile:
    """Read a profile. Raises ArtifactError that says what is wrong with it."""
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ArtifactError(file, f"is larger than {MAX_BYTES >> 20} MiB")
        text = file.read_bytes()
    except OSError as error:
        raise ArtifactError(file, f"cannot be read: {error.strerror}") from None
    try:
        given = msgspec.json.decode(text, type=_Version).version
        if given != VERSION:
            raise ArtifactError(file, f"has version {given}, and {VERSION} is read")
        profile = msgspec.json.decode(text, type=Profile)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ArtifactError(file, f"is not a profile: {error}") from None
    for side in (profile.columns, profile.predictions):
        if len({column.name for column in side}) != len(side):
            raise ArtifactError(file, "is not a profile: it has a column twice")
        for column in side:
            wrong = column.why_wrong()
            if not wrong and column.rows != profile.rows:
                wrong = f"has {column.rows} values for {profile.rows} rows"
            if wrong:
                raise ArtifactError(file, f"is not a profile: column {column.name!r} {wrong}")
    return profile


def dump_profile(profile: Profile) -> bytes:
    """The text of the file, the same for the same profile."""
    return msgspec.json.format(msgspec.json.encode(profile), indent=1) + b"\n"


def profile_id(text: bytes) -> str:
    """A short name for a profile: the first 12 digits of the sha256 of its text."""
    return hashlib.sha256(text).hexdigest()[:12]


def category_label(value: Value) -> str:
    """A value as the label of its bucket: never that of another value or kind of bucket."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return _number(value)
    text = value.encode("utf-8", "backslashreplace").decode()
    looks_other = text[:1] in ("(", "[", '"') or _is_plain(text) or not text.isprintable()
    text = (
        json.dumps(text, ensure_ascii=not text.isprintable()) if looks_other or not text else text
    )
    if len(text) > _MAX_LABEL:
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        text = f"{text[: _MAX_LABEL - 10]}… {digest}"
    return text


def column_label(name: str) -> str:
    """A column's name as a label: shortened if it is long, control characters escaped."""
    text = name.encode("utf-8", "backslashreplace").decode()
    if not text.isprintable():
        text = json.dumps(text)[1:-1]
    if len(text) > 2 * _MAX_LABEL:
        digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        text = f"{text[: 2 * _MAX_LABEL - 10]}… {digest}"
    return text


def _is_plain(text: str) -> bool:
    """Whether a text reads as a number or a boolean, which have labels of their own."""
    if text in ("true", "false"):
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(value: float) -> str:
    return repr(float(value)).removesuffix(".0")


def shares(counts: Sequence[float]) -> list[float]:
    """Each count as a share of all. Raises ZeroDivisionError without rows."""
    total = sum(counts)
    return [count / total for count in counts]
