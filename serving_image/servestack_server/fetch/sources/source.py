"""The protocol of a source: its listing, its streams, and its errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Remote:
    """A file at its source: its checked path below the artifact, and its size if known."""

    path: str
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """All files of an artifact, sorted by path. Without `is_folder` it is a single file."""

    files: tuple[Remote, ...]
    is_folder: bool


@dataclass(frozen=True, slots=True)
class Stream:
    """The bytes of a file.

    `start` is the byte at which `chunks` begin. It may be 0 instead of the requested byte.
    `size_bytes` is the size of the whole file, if known. `validator` changes when the file changes.
    Reading `chunks` may raise PassingError.
    """

    start: int
    size_bytes: int | None
    validator: str
    chunks: Iterator[bytes]


class PassingError(Exception):
    """A failure that may pass. `retry_after_seconds` is the wait that the server asks for."""

    def __init__(self, reason: str, retry_after_seconds: float = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds


class Source(Protocol):
    """One artifact at its address.

    Both methods raise StartError for a permanent failure, PassingError for one that may pass.
    """

    @property
    def shown(self) -> str:
        """The address without secrets, for messages."""

    @property
    def hint(self) -> str:
        """What to check if the artifact cannot be reached."""

    def list_files(self) -> Listing:
        """List the files of the artifact."""

    def open(self, remote: Remote, start: int, validator: str) -> AbstractContextManager[Stream]:
        """Open a file from byte `start` on, or from byte 0 if its validator has changed."""
