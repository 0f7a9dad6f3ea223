"""Downloads the files of one artifact. It resumes after a broken connection or a kill."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable

from servestack_contract.sources import MAX_DOWNLOAD_BYTES
from servestack_server.errors import StartError
from servestack_server.fetch.partial import Part, Partial
from servestack_server.fetch.patience import Patience, Tries
from servestack_server.fetch.progress import Progress
from servestack_server.fetch.sources.source import Listing, PassingError, Remote, Source

_PROGRESS_BYTES = 1 << 20
"""An attempt that downloads less than this counts as a failure in a row."""


class Download:
    """Downloads the files of one artifact into its partial folder, one after the other."""

    def __init__(
        self,
        source: Source,
        partial: Partial,
        progress: Progress,
        patience: Patience,
        say: Callable[[str], None],
    ) -> None:
        self._source = source
        self._partial = partial
        self._progress = progress
        self._patience = patience
        self._say = say

    def bring_all(self, listing: Listing) -> None:
        """Download every file of the listing that is not complete yet.

        Raises StartError if the source refuses, the last attempt fails, or there is no space.
        """
        if self._progress.total_bytes is not None:
            self._check_size(self._progress.total_bytes)
        for remote in listing.files:
            target = self._partial.data / remote.path
            if not _is_whole(remote, target.stat().st_size if target.is_file() else None):
                target.parent.mkdir(parents=True, exist_ok=True)
                self._bring(remote)
                self._partial.part.replace(target)
            self._progress.is_whole(target.stat().st_size)

    def _bring(self, remote: Remote) -> None:
        tries = Tries(self._patience, self._source, self._say)
        furthest_bytes = 0
        while True:
            try:
                self._stream(remote)
                return
            except PassingError as error:
                # A server without ranges starts over each time, so only new bytes are progress.
                part_bytes = self._partial.part_bytes()
                if part_bytes >= furthest_bytes + _PROGRESS_BYTES:
                    furthest_bytes = part_bytes
                    tries.progressed()
                tries.failed(error)

    def _stream(self, remote: Remote) -> None:
        noted, there_bytes = self._partial.noted(), self._partial.part_bytes()
        if noted.path != remote.path or not noted.validator:
            there_bytes = 0
        elif there_bytes == noted.size_bytes:
            return
        with self._source.open(remote, there_bytes, noted.validator) as stream:
            size_bytes = remote.size_bytes if stream.size_bytes is None else stream.size_bytes
            if self._progress.total_bytes is None and size_bytes is not None:
                self._progress.total_bytes = size_bytes
            self._check_space((size_bytes or 0) - stream.start)
            # In this order a kill leaves either no bytes, or bytes with a note of their file.
            with self._partial.part.open("ab", buffering=0) as part:
                part.truncate(stream.start)
                self._partial.note(Part(remote.path, stream.validator, size_bytes))
                self._progress.goes_on_at(stream.start)
                for chunk in stream.chunks:
                    _write(part.fileno(), chunk)
                    self._progress.moved(len(chunk))
                    self._check_size(self._progress.there_bytes)
        there_bytes = self._partial.part_bytes()
        if size_bytes is not None and there_bytes != size_bytes:
            raise PassingError(f"the download ended after {there_bytes:,} of {size_bytes:,} bytes")

    def _check_size(self, size_bytes: int) -> None:
        if size_bytes > MAX_DOWNLOAD_BYTES:
            message = f"{self._source.shown}: is larger than {MAX_DOWNLOAD_BYTES:,} bytes"
            raise StartError(message, "put a model of this size into the image")

    def _check_space(self, needed_bytes: int) -> None:
        free_bytes = shutil.disk_usage(self._partial.folder).free
        if needed_bytes > free_bytes:
            room = f"{needed_bytes:,} more bytes, but only {free_bytes:,} are free"
            raise StartError(
                f"{self._source.shown}: needs {room} in {self._partial.folder.parent}",
                "give the pod more ephemeral storage, or put the folder on a larger disk",
            )


def _is_whole(remote: Remote, there_bytes: int | None) -> bool:
    return there_bytes is not None and remote.size_bytes in (None, there_bytes)


def _write(descriptor: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(descriptor, view) :]
