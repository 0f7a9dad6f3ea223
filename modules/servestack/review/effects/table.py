"""The rows that turn a changed field into a consequence, and the categories of consequences."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from servestack.manifests.kinds import WORKLOADS
from servestack.manifests.manifest import Body
from servestack.review.diff import Change
from servestack.review.mask import masked

Category = Literal["security", "data", "availability", "restart", "none"]
CATEGORIES: tuple[Category, ...] = get_args(Category)
"""The categories, the most important first.

- security: somebody may do or read what they could not before, or a check is gone;
- data: what callers and consumers of events send and get changes;
- availability: capacity, addresses, limits of time and alerts;
- restart: the pods restart, and answer as before;
- none: nothing that callers, consumers or operators notice.
"""

RESTART = "pods restart, one at a time"


@dataclass(frozen=True, slots=True)
class Effect:
    """One consequence of a change, in words that complete a sentence for the reviewer."""

    category: Category
    words: str


ANY_PODS = "pods"

Words = Callable[[Change], str | None]


@dataclass(frozen=True, slots=True)
class Row:
    """The words for a change of a field that matches `field`.

    `where` is a kind of object, the name of a file in a ConfigMap (then `field` is the field in
    that file), ANY_PODS for `spec.template` of every kind, or `*`. `words` returns None where the row does not apply, for example because a
    check became stricter. `for_new` says that the words hold for a new object as well.
    """

    where: str
    field: re.Pattern[str]
    category: Category
    words: Words
    for_new: bool = False

    def effects(self, where: str, field: str, change: Change) -> list[Effect]:
        """The effects of a change; empty where the row does not apply."""
        # A Rollout has the fields of a Deployment; what only it has comes first in a table.
        own = self.where in ("*", ANY_PODS, where) or (self.where, where) == WORKLOADS
        if not own or not self.field.search(field):
            return []
        return in_parts(self.category, self.words(change) or "")


def row(
    where: str, field: str, category: Category, words: str | Words, *, for_new: bool = False
) -> Row:
    """A row whose words are a text, or a function of the change."""
    says = words if callable(words) else (lambda change: words)
    # A column may have any name, also one with a line break.
    return Row(where, re.compile(field, re.DOTALL), category, says, for_new)


def in_parts(category: Category, words: str) -> list[Effect]:
    """The effects of words that may end with `; pods restart…`, which is an effect of its own."""
    first, _, last = words.rpartition("; ")
    if last.startswith(RESTART):
        return [*in_parts(category, first), Effect("restart", last)]
    return [Effect(category, words)] if words else []


def in_order(effects: Iterable[Effect]) -> tuple[Effect, ...]:
    """The effects, each words once, the most important category first."""
    ordered = sorted(effects, key=lambda effect: CATEGORIES.index(effect.category))
    first: dict[str, Effect] = {}
    for effect in ordered:
        first.setdefault(effect.words, effect)
    if any(words.startswith(f"{RESTART},") for words in first):
        # It says the same, and the other one says why.
        first.pop(RESTART, None)
    return tuple(first.values())


def added(words: str | Words) -> Words:
    """The words apply where the field is added."""
    return _only(lambda change: change.old is None and change.new is not None, words)


def removed(words: str | Words) -> Words:
    """The words apply where the field is removed."""
    return _only(lambda change: change.new is None and change.old is not None, words)


def becomes(value: Any, words: str | Words, *, default: Any = None) -> Words:
    """The words apply where the field becomes this value. `default` holds for an absent field."""

    def fits(change: Change) -> bool:
        old, new = (default if v is None else v for v in (change.old, change.new))
        return bool(new == value and old != value)

    return _only(fits, words)


def no_longer(value: Any, words: str | Words) -> Words:
    """The words apply where the field had this value, and has another or is gone."""
    return _only(lambda change: change.old == value and change.new != value, words)


def _only(applies: Callable[[Change], bool], words: str | Words) -> Words:
    def said(change: Change) -> str | None:
        if not applies(change):
            return None
        return words(change) if callable(words) else words

    return said


def moved(text: str, *, unit: str = "", default: Any = None) -> Words:
    """The old and the new value: `text 4→8`. `default` is the value of an absent field."""

    def words(change: Change) -> str | None:
        old, new = (default if v is None else v for v in (change.old, change.new))
        if old == new:
            return None
        return f"{text} {_with_unit(old, unit)}→{_with_unit(new, unit)}"

    return words


def raised(text: str, *, unit: str = "", default: float | None = None) -> Words:
    """The words apply where a number rises. An absent number is `default`; None means no limit."""
    return _only(lambda c: _step(c, default) > 0, moved(text, unit=unit, default=default))


def lowered(text: str, *, unit: str = "", default: float | None = None) -> Words:
    """The words apply where a number falls. An absent number is `default`; None means no limit."""
    return _only(lambda c: _step(c, default) < 0, moved(text, unit=unit, default=default))


def _step(change: Change, default: float | None) -> int:
    """1 where a number rises, -1 where it falls, 0 where it stays."""
    old, new = (_number(default if v is None else v) for v in (change.old, change.new))
    return (new > old) - (new < old)


def _number(value: Any) -> float:
    return value if isinstance(value, (int, float)) else float("inf")


def _with_unit(value: Any, unit: str) -> str:
    if value is None:
        return "nothing"
    if unit == "bytes" and isinstance(value, int):
        return _bytes(value)
    return f"{value:g}{unit}" if isinstance(value, float) else f"{masked(value)}{unit}"


def _bytes(count: int) -> str:
    for size, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= size and count % (size // 1024) == 0:
            return f"{count / size:g} {name}"
    return f"{count} bytes"


def name_of(change: Change) -> str:
    """The last part of a change's path: a column, an annotation, the name of a list's item."""
    return str(change.path[-1])


BodyWords = Callable[[Change, Body, Body], Iterable[Effect]]
"""Effects that only the whole object shows. Takes a change and the object before and after."""
