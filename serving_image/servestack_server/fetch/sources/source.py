"""The contract of a source: what it lists, how it streams, how it fails for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Remote:
    """A file at its source: its path below the artifact (checked), and its bytes where known."""

    path: str
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """All files of an artifact, sorted by path; not a folder means one file that is bare."""

    files: tuple[Remote, ...]
    is_folder: bool


@dataclass(frozen=True, slots=True)
class Stream:
    """A file on its way. `start` is the byte at which `chunks` begin, which may be before the one
    that was asked for; `size_bytes` is of the whole file; `validator` is the same as long as the
    file is. `chunks` raises PassingError."""

    start: int
    size_bytes: int | None
    validator: str
    chunks: Iterator[bytes]


class PassingError(Exception):
    """It did not work now, and may work soon. `retry_after_seconds` is what the server asks for."""

    def __init__(self, reason: str, retry_after_seconds: float = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds


class Source(Protocol):
    """One artifact at its address. Both methods raise StartError for good, PassingError for now."""

    @property
    def shown(self) -> str:
        """The address without what is secret in it."""

    @property
    def hint(self) -> str:
        """What would be right when it cannot be reached."""

    def list_files(self) -> Listing:
        """What there is."""

    def open(self, remote: Remote, start: int, validator: str) -> AbstractContextManager[Stream]:
        """A file from byte `start` on, if it still is the one with that validator."""


def without_secrets(uri: str) -> str:
    """An address without user, password, query and fragment."""
    parts = urlsplit(uri)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
