"""Credentials by the way they are written down, whoever issued them."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator

from servestack.secrets.names import is_placeholder, is_public, is_random, tells_secret
from servestack.secrets.tokens import Found

PRIVATE_KEY = "a private key"
_KEY_HEADER = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY|PuTTY-User-Key-File-\d|AGE-SECRET-KEY-1"
)
_SIGNS_OF_KEY = ("PRIVATE KEY", "PuTTY", "AGE-SECRET", "LS0tLS1CRUdJTi")
_KEY_IN_BASE64 = re.compile(r"LS0tLS1CRUdJTi[A-Za-z0-9+/]{26}")

_ISSUED = (
    ("IA", re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"), "an AWS access key"),
    ("gh", re.compile(r"\bgh[pousr]_[A-Za-z0-9]{20,}"), "a GitHub token"),
    ("glpat-", re.compile(r"\bglpat-[A-Za-z0-9_-]{20,}"), "a GitLab token"),
    ("xox", re.compile(r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"), "a Slack token"),
    ("hooks.slack.com", re.compile(r"\bhooks\.slack\.com/\w+/T[\w/]+"), "a Slack webhook"),
    (
        "/api/webhooks/",
        re.compile(r"\bdiscord(?:app)?\.com/api/webhooks/\d+/[\w-]+"),
        "a Discord webhook",
    ),
    ("k_", re.compile(r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{10,}"), "a Stripe key"),
    ("AIza", re.compile(r"\bAIza[0-9A-Za-z_-]{35}"), "a Google API key"),
    ("npm_", re.compile(r"\bnpm_[A-Za-z0-9]{30,}"), "an npm token"),
    ("pypi-", re.compile(r"\bpypi-[A-Za-z0-9_-]{20,}"), "a PyPI token"),
    ("hf_", re.compile(r"\bhf_[A-Za-z0-9]{30,}"), "a Hugging Face token"),
    ("eyJ", re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"), "a JWT"),
)
"""Tokens of which the rules of gitleaks know the exact length; one that was cut counts as well.

(a part of every match, the pattern, words for it)
"""

_USERINFO = re.compile(r"(?<=://)(?!\[)([^\s/:@\"'<>?#]*):([^\s\"<>?#]*)(?=@[\w\[({$.%-])")
_SHORTEST_TOKEN = 8
"""Characters of the shortest user name that counts as a token, if an empty password follows it."""
_PORT_AND_PATH = re.compile(r"\d{1,5}/")
_LOGIN = re.compile(
    r"(?<![\w/:@.%+-])(?!mailto:|sips?:|acct:)([\w.+%-]+):([^\s:/@\"',;]{3,})"
    r"(?=@(?!sha\d+:)(?:[\w-]+\.[\w.-]+|[\w-]+:\d))"
)
_ORACLE = re.compile(r"(?<=:thin:)([^\s/@]+)/([^\s/@]+)(?=@)")

_USER_OPTION = re.compile(r"(?<!\S)(?:-u|--user)(?:\s+|=)[\"']?([\w.@%+-]*):([^\s\"']{3,})")
_ASSIGNED = re.compile(r"(?<![A-Za-z0-9_.-])(-{0,2}[A-Za-z][A-Za-z0-9_.-]*)(\s?=\s?)(?![=~])")
_QUERY = re.compile(
    r"(?i)(?<=[?&;])(sig|signature|x-amz-signature|x-goog-signature|key|code)=([^\s&;\"'<>]{8,})"
)
_FLAG = re.compile(r"(?<!\S)(--[A-Za-z][A-Za-z0-9_.-]*)(\s+)(?!-|[A-Z_]+\b)")
"""A word in capitals after a flag stands for its value, as in `--token FILE`."""
_JSON = re.compile(r"([\"'])([A-Za-z][A-Za-z0-9_.-]*)\1\s*:\s*(?=[\"'])")
_LINE = re.compile(r"(?m)(?:^|(?<=[{,]))[ \t]*-?[ \t]*([A-Za-z][A-Za-z0-9_.-]*):[ \t]+(?=\S)")
_LINE_END = re.compile(r"[ \t]*(?:$|[,}\n\r])")
_VALUE = re.compile(r"\"(?:\\.|[^\"\\\n])*\"|'[^'\n]*'|<[^<>\n]+>|[^\s;&,\"'{}\[\]]+")
_SHORTEST_VALUE = 3
_NOT_A_LETTER = re.compile(r"[^A-Za-z.,!]")

_HEADER = re.compile(
    r"(?i)\bauthorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic|token|apikey|negotiate)\s+([^\s\"',;]{3,})"
)
_SCHEME = re.compile(r"\b(?:[Bb]earer|[Bb]asic)\s+([A-Za-z0-9._~+/=-]{8,})")
_KEY_HEADERS = re.compile(
    r"(?i)\b(?:x-)?(?:api-key|auth-token|access-token)[\"']?:\s*[\"']?([^\s\"',;]{8,})"
)


_AWS_SECRET_LENGTH = 40
_AWS_SECRET_KEY = re.compile(r"[A-Za-z0-9/+]{40}")


def find_forms(text: str) -> Iterator[Found]:
    """Yield the credentials in a text, in no order; one may be found in several ways."""
    if any(sign in text for sign in _SIGNS_OF_KEY) and _holds_private_key(text):
        yield Found(0, len(text), PRIVATE_KEY)
    for sign, pattern, what in _ISSUED:
        if sign in text:
            for match in pattern.finditer(text):
                yield Found(match.start(), match.end(), what)
    if len(text) == _AWS_SECRET_LENGTH and _AWS_SECRET_KEY.fullmatch(text) and is_random(text):
        yield Found(0, len(text), "what looks like an AWS secret access key")
    if "@" in text:
        yield from _logins(text)
    if "-u" in text:
        for match in _USER_OPTION.finditer(text):
            if not is_placeholder(match[2]) and not match[1].isdigit():
                yield Found(match.start(1), match.end(2), "a user name with a password")
    if "=" in text or ":" in text or " " in text:
        yield from _assignments(text)
        yield from _headers(text)


def _holds_private_key(text: str) -> bool:
    if _KEY_HEADER.search(text):
        return True
    for match in _KEY_IN_BASE64.finditer(text):
        try:
            # The file may also be a certificate, which everybody may see.
            if b"PRIVATE" in base64.b64decode(match[0]):
                return True
        except binascii.Error:
            continue
    return False


def _logins(text: str) -> Iterator[Found]:
    for match in _USERINFO.finditer(text):
        user, password = match[1], match[2]
        if is_placeholder(password or user) or _PORT_AND_PATH.match(password):
            continue
        if not password and len(user) < _SHORTEST_TOKEN:
            continue
        yield Found(match.start(), match.end(), "an address with a password")
    for pattern in (_LOGIN, _ORACLE):
        for match in pattern.finditer(text):
            if not is_placeholder(match[2]):
                yield Found(match.start(), match.end(), "a user name with a password")


def _assignments(text: str) -> Iterator[Found]:
    """Yield the values of `--token=…`, `password=…;`, `"secret": "…"` and `?sig=…`, and of lines."""
    for pattern in (_ASSIGNED, _FLAG, _JSON):
        for match in pattern.finditer(text):
            name = match[2] if pattern is _JSON else match[1].lstrip("-")
            if tells_secret(name):
                yield from _value_at(text, match.end(), f"a value of {name}")
    for match in _QUERY.finditer(text):
        if not is_placeholder(match[2]):
            yield Found(match.start(2), match.end(2), "an address with a signature or key")
    yield from _lines(text)


def _lines(text: str) -> Iterator[Found]:
    """Yield the values of `password: …` and `{user: …, password: …}`."""
    for match in _LINE.finditer(text):
        # In a sentence too a colon follows such words, so this asks for more: one word alone that
        # is not made of letters.
        if tells_secret(match[1]):
            for found in _value_at(text, match.end(), f"a value of {match[1]}"):
                alone = _LINE_END.match(text, found.end) is not None
                if alone and _NOT_A_LETTER.search(text[found.start : found.end].strip("\"'")):
                    yield found


def _value_at(text: str, start: int, what: str) -> Iterator[Found]:
    value = _VALUE.match(text, start)
    if value is None:
        return
    bare = value[0].strip("\"'")
    if len(bare) >= _SHORTEST_VALUE and not is_public(bare):
        yield Found(value.start(), value.end(), what)


def _headers(text: str) -> Iterator[Found]:
    for pattern in (_HEADER, _SCHEME, _KEY_HEADERS):
        for match in pattern.finditer(text):
            told = pattern is _HEADER or _NOT_A_LETTER.search(match[1])
            if told and not is_placeholder(match[1]):
                yield Found(match.start(1), match.end(1), "a header with a credential")
