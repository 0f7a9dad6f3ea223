"""Names that say that their value is a secret, and values that are none under any name."""

from __future__ import annotations

import re
from functools import lru_cache

_SECRET = re.compile(
    r"(?i:(?:password|passwd|passphrase|secret|token|credential"
    r"|(?:api|private|access|account|auth|encryption|signing|master|shared)[_.-]?keys?)s?"
    # Short words count only as a word of their own.
    r"|(?<![A-Za-z0-9])(?:pwd|pass|pw|creds?)(?![a-z]))"
    r"\d*(?:$|(?=[^A-Za-z0-9])|(?=(?-i:(?<=[a-z0-9])[A-Z])))"
)
_ABOUT_A_SECRET = re.compile(
    r"[_.-]?(?:names?|files?|paths?|folder|dir|url|uri|endpoint|host|types?|headers?|length|size|count|limit"
    r"|ttl|timeout|expir[a-z]*|seconds|minutes|hours|days|age|policy|format|algorithm|enabled|required"
    r"|issuer|audience|prefix|namespace|ref|version|budget|window|store|provider|field|column|param"
    r"|backend|manager|engine|mode|class|kind|scheme|strategy|source|rotation|interval|retries|threshold"
    r"|rounds|bits|charset|encoding|separator|regex|pattern|hint|level|status|events?|topic|queue)\b",
    re.IGNORECASE | re.ASCII,
)
"""What may follow in a name whose value is not the secret itself: TOKEN_URL, password-file."""
_REFERENCE_TO_SECRET = re.compile(r"(?i)secrets?$")
_OBJECT_NAME = re.compile(r"([a-z0-9][a-z0-9.-]*/)?[a-z][a-z0-9-]*(\.[a-z0-9-]+)*")

_MAY_BE_SECRET = re.compile(
    r"(?i)(?:^|[^a-z0-9]|(?-i:(?<=[a-z])(?=[A-Z])))(?:keys?|sig|signature|salt|auth|bearer|sas|pat|dsn|cookie)$"
)
"""Endings of names whose value is a secret if it looks random: S3_KEY, but not PARTITION_KEY: day."""
_TOKEN = re.compile(r"[A-Za-z0-9+/_=~.-]{16,}")

_PLACEHOLDER = re.compile(
    r"\$\([^()\s]+\)|\$\{[^{}\s]+\}|\$(?:[A-Z_][A-Z0-9_]*|[a-z_]+)|\{\{[^{}]+\}\}|\{[A-Za-z_][\w.]*\}|<[^<>]+>"
    r"|%[A-Z_]+%|\*+|\.{3,}|…|x{3,}|\(masked\)",
)
_NUMBER = re.compile(
    r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?"
    r"\s?(%|[numkMGTPE]|[KMGTPE]i|[kKMGT]?B|bytes|[mnu]s|s|secs?|seconds?|min|minutes?|h|hours?|d|days?|w|weeks?)?"
)
_WORD = re.compile(r"(?i)true|false|yes|no|on|off|none|null|nil|undefined|auto|default|optional")
_PATH = re.compile(r"(?:~|\.{1,2})?(?:/[\w.@%+-]+)+/?|(?:[\w.@-]+/)+[\w@-]+\.[a-z0-9]{1,5}")
_WINDOWS_PATH = re.compile(r"[A-Za-z]:\\[\w\\. -]+")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s/?#@]*(?:[/?#]\S*)?")
"""Without a user: a name such as GIT_TOKEN may have the token there."""
_RESOURCE = re.compile(r"arn:[\w-]+:[\w:/.*+=,@-]+|projects/[\w-]+/secrets/[\w/-]+|urn:\S+")
"""Names of resources in clouds, such as a secret in a vault."""
_LONGEST_SEGMENT = 19


@lru_cache(maxsize=4096)
def tells_secret(name: str) -> bool:
    """Return whether a name says that its value is a secret: DB_PASSWORD, apiKey, example.com/token."""
    name = name.rpartition("/")[2]
    return any(
        not _ABOUT_A_SECRET.match(name.replace("_", "-"), found.end())
        for found in _SECRET.finditer(name)
    )


def is_random_key(name: str, value: str) -> bool:
    """Return whether a value looks like a key under a name such as S3_KEY; a digest in hex does not."""
    return (
        _MAY_BE_SECRET.search(name.rpartition("/")[2]) is not None
        and _TOKEN.fullmatch(value) is not None
        and _is_mixed(value)
        and not is_public(value)
    )


def names_an_object(name: str, value: str) -> bool:
    """Return whether an annotation refers to a Secret: `auth-secret: basic-auth`."""
    return (
        _REFERENCE_TO_SECRET.search(name) is not None and _OBJECT_NAME.fullmatch(value) is not None
    )


def is_placeholder(value: str) -> bool:
    """Return whether a value stands for one that is filled in elsewhere: $(VAR), ${VAR}, <token>."""
    return _PLACEHOLDER.fullmatch(value) is not None


def is_public(value: str) -> bool:
    """Return whether a value is none of the secrets that its name promises.

    True for nothing, a reference, a number, a truth value, a path, an address and the name of a
    resource. An address with a password in it is found by its form.
    """
    text = value.strip()
    return (
        not text
        or any(
            pattern.fullmatch(text)
            for pattern in (_PLACEHOLDER, _NUMBER, _WORD, _URL, _RESOURCE, _WINDOWS_PATH)
        )
        or (_PATH.fullmatch(text) is not None and not any(map(is_random, text.split("/"))))
    )


def is_random(segment: str) -> bool:
    """Return whether a word looks like a part of a key in base64: long, and of all kinds of characters."""
    return len(segment) > _LONGEST_SEGMENT and _is_mixed(segment)


def _is_mixed(text: str) -> bool:
    kinds = (str.isupper, str.islower, str.isdigit)
    return all(any(map(kind, text)) for kind in kinds)
