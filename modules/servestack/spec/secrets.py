"""Finds secrets in plain text, which must not be in a file that is kept in git.

The patterns are those that the issuers of these credentials document for scanners.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from servestack.spec.document import DataPath

SECRET_NAME = re.compile(
    r"(?i)(^|[_.-]|(?<=[a-z])(?=[A-Z]))(password|passwd|pwd|secret|token|api[_-]?keys?|"
    r"private[_-]?key|access[_-]?key|account[_-]?key|storage[_-]?key|connection[_-]?string|"
    r"credentials?)($|[_.-])"
)
"""Names of variables whose value is a secret: DB_PASSWORD, API_KEY, aws_secret_access_key."""

_SECRET_VALUES = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"), "a private key"),
    (re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b"), "an AWS access key"),
    (re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36,}\b"), "a GitHub token"),
    (re.compile(r"\bglpat-[A-Za-z0-9_-]{20,}\b"), "a GitLab token"),
    (re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,}"), "a Slack token"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"), "a JWT"),
    (re.compile(r"\bAIza[0-9A-Za-z_-]{35}\b"), "a Google API key"),
    (re.compile(r"\bAccountKey=[A-Za-z0-9+/]{40,}"), "a key of an Azure storage account"),
    (re.compile(r"[?&]sig=[A-Za-z0-9%+/]{40,}"), "a shared access signature of Azure"),
    (re.compile(r"\bdapi[0-9a-f]{32}\b"), "a Databricks token"),
    (re.compile(r"://[^/\s:@]+:[^/\s@]+@"), "an address with a password"),
)


def find_secrets(data: Any, path: DataPath = ()) -> Iterator[tuple[DataPath, str]]:
    """Yield (path, what it looks like) for every string that looks like a credential."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield from find_secrets(value, (*path, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from find_secrets(value, (*path, index))
    elif isinstance(data, str) and len(data) >= 12:
        for pattern, what in _SECRET_VALUES:
            if pattern.search(data):
                yield path, what
                break
