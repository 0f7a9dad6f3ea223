"""Finds credentials in text and in data, and masks them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from servestack.secrets.forms import find_forms
from servestack.secrets.names import is_public, is_random_key, names_an_object, tells_secret
from servestack.secrets.tokens import Found, Rule, find_tokens, rules_for

MASK = "(masked)"
_SHORTEST_TOKEN = 16
_WORD = re.compile(r"[\w.-]{0,15}|[a-z]+(-[a-z]+)*|/[a-z0-9/.-]*|.{0,5}", re.ASCII)
"""Texts that hold no credential by their form: short ones, and lower-case words and paths."""
_NAMED_BY_USERS = {"annotations", "labels", "podLabels", "nodeSelector", "data", "stringData"}
"""Mappings whose keys users choose, so that a key may say that its value is a secret."""
_ARGUMENTS = {"args", "command"}

DataPath = tuple[str | int, ...]


def find_in_text(text: str, rules: tuple[Rule, ...] | None = None) -> tuple[Found, ...]:
    """Return the credentials in a text by their form, in order and without overlap.

    `rules` are those for tokens that apply to a larger text with this one in it. Default: all.
    """
    return () if _WORD.fullmatch(text) else _found(text, rules)


@lru_cache(maxsize=4096)
def _found(text: str, rules: tuple[Rule, ...] | None) -> tuple[Found, ...]:
    found = [*find_forms(text), *find_tokens(text, rules)]
    apart: list[Found] = []
    # Where two overlap, the longer one hides the other.
    for one in sorted(found, key=lambda one: (one.start, -one.end)):
        if apart and one.start < apart[-1].end:
            last = apart[-1]
            apart[-1] = Found(last.start, max(last.end, one.end), last.what)
        else:
            apart.append(one)
    return tuple(apart)


def masked_text(text: str) -> str:
    """Return a text with MASK in the place of every credential that its form gives away."""
    pieces, done = [], 0
    for found in find_in_text(text):
        pieces += [text[done : found.start], MASK]
        done = found.end
    return "".join([*pieces, text[done:]]) if pieces else text


def masked_value(text: str) -> str:
    """Return a value as a report may quote it: like `masked_text`, and rather too much masked.

    Whatever follows `password:` or `token=` counts, and so does a login without a scheme.
    """
    text = _LOGIN.sub(MASK, masked_text(text))
    pieces, done = [], 0
    for match in _ASSIGNED.finditer(text):
        if match.start() < done or not tells_secret(match[1]):
            continue
        value = _ASSIGNED_VALUE.match(text, match.end())
        if value and not is_public(value[0].strip("\"'")) and not value[0].startswith(MASK):
            pieces += [text[done : match.end()], MASK]
            done = value.end()
    return "".join([*pieces, text[done:]])


_LOGIN = re.compile(r"(?<![^\s\"'=,])[\w.+%-]+:[^\s:/@]+(?=@)(?!@sha\d)")
_ASSIGNED = re.compile(r"(?<![A-Za-z0-9_.-])([A-Za-z0-9_.-]+)[\"']?\s*[=:]\s*")
_ASSIGNED_VALUE = re.compile(r"\"(?:\\.|[^\"\\\n])*\"|'[^'\n]*'|[^\n]+")


def find_secrets(
    data: Any, path: DataPath = (), *, rules: tuple[Rule, ...] | None = None
) -> Iterator[tuple[DataPath, str]]:
    """Yield (path, what is wrong with it) for every text in data that is or holds a secret.

    The value of a variable with `public: true` is left out: its owner vouches for it. `rules` are
    those for tokens that apply to a larger text with this data in it. Default: found in the data.
    """
    search = _Search(rules_for("\n".join(_texts(data))) if rules is None else rules)
    yield from search.within(data, path)


def _texts(data: Any) -> Iterator[str]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield str(key)
            yield from _texts(value)
    elif isinstance(data, list):
        for item in data:
            yield from _texts(item)
    elif isinstance(data, str):
        yield data


@dataclass(frozen=True, slots=True)
class _Search:
    """A walk through data, with the rules for tokens that apply to any of its texts."""

    rules: tuple[Rule, ...]

    def within(self, data: Any, path: DataPath) -> Iterator[tuple[DataPath, str]]:
        if isinstance(data, dict):
            yield from self._mapping(data, path)
        elif isinstance(data, list):
            yield from self._list(data, path)
        elif isinstance(data, str):
            for found in find_in_text(data, self.rules):
                yield path, f"holds {found.what}"
                break

    def _mapping(self, data: dict[Any, Any], path: DataPath) -> Iterator[tuple[DataPath, str]]:
        variable = data.get("name") if isinstance(data.get("value"), str) else None
        named = bool(path) and path[-1] in _NAMED_BY_USERS
        for key, value in data.items():
            here = (*path, key)
            if isinstance(key, str) and find_in_text(key, self.rules):
                yield here, "is a key that holds a credential"
            if key == "value" and isinstance(variable, str):
                if data.get("public") is not True and (
                    what := secret_under_name(variable, value, self.rules)
                ):
                    yield here, what
            elif named and isinstance(value, str):
                if not names_an_object(str(key), value) and (
                    what := secret_under_name(str(key), value, self.rules)
                ):
                    yield here, what
            else:
                yield from self.within(value, here)

    def _list(self, data: list[Any], path: DataPath) -> Iterator[tuple[DataPath, str]]:
        arguments = bool(path) and path[-1] in _ARGUMENTS
        for index, item in enumerate(data):
            before = data[index - 1] if index else None
            if arguments and isinstance(item, str) and is_argument_of_secret(before, item):
                yield (*path, index), f"is the value of {before} in plain text"
            else:
                yield from self.within(item, (*path, index))


def secret_under_name(name: str, value: str, rules: tuple[Rule, ...] | None = None) -> str:
    """Return what is wrong with a named value, or "" for one that is no secret.

    It is judged by its own form, by its form with the name before it, and by its name alone.
    """
    found = find_in_text(value, rules)
    if not found and len(value) >= _SHORTEST_TOKEN:
        found = find_in_text(f"{name}={value}", rules)
    for one in found:
        if one.what != f"a value of {name}":
            return f"holds {one.what}"
    if (tells_secret(name) and not is_public(value)) or is_random_key(name, value):
        return f"{name} looks like a secret in plain text"
    return ""


def is_argument_of_secret(before: Any, argument: str) -> bool:
    """Return whether an argument is the secret that the flag before it asks for: `--token`, `…`."""
    return (
        isinstance(before, str)
        and before.startswith("-")
        and "=" not in before
        and not argument.startswith("-")
        and tells_secret(before.lstrip("-"))
        and not is_public(argument)
    )
