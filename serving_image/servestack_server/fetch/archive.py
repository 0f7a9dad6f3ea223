"""Unpacks .zip, .tar and .tar.gz: plain files and folders only, within bounds.

The members' modes, owners and times are ignored. An archive is refused if it holds names that lead
out of the folder, links, devices, pipes or a name twice, or if it becomes too large.
"""

from __future__ import annotations

import errno
import gzip
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from servestack_contract.loading import ARCHIVES
from servestack_server.errors import StartError
from servestack_server.fetch.paths import checked_path
from servestack_server.fetch.sources.source import CHUNK_BYTES

_ZIP, _GZIPPED = ".zip", (".tar.gz", ".tgz")
_BROKEN = (
    zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, RecursionError,
    # From zipfile, for an unknown compression and for headers that contradict each other.
    NotImplementedError, ValueError, OverflowError, RuntimeError, LookupError, struct.error,
)  # fmt: skip
_PLAIN_ZIP_TYPES = (0, stat.S_IFREG, stat.S_IFDIR)
_MAX_TAR_HEADER_BYTES = 256 << 10


@dataclass(frozen=True, slots=True)
class Bounds:
    """How large an archive may become. `max_ratio` (unpacked to packed size) is checked only for
    archives that unpack to more than `ratio_from_bytes`."""

    max_bytes: int = 20 << 30
    max_ratio: int = 200
    ratio_from_bytes: int = 64 << 20
    max_members: int = 100_000


def is_archive(name: str) -> bool:
    """Whether a file with this name is an archive that is unpacked."""
    return name.lower().endswith(ARCHIVES)


def unpack(archive: Path, into: Path, bounds: Bounds | None = None) -> Path:
    """Unpack an archive into the new folder `into`.

    Returns the folder of the model: the archive's top folder if it has only one entry at the top,
    else `into`. Raises StartError for an archive that is refused or broken.
    """
    into.mkdir()
    unpacking = _Unpacking(archive, into, bounds or Bounds())
    try:
        for name, is_folder, stream in _members(archive):
            unpacking.add(name, is_folder, stream)
    except _BROKEN as error:
        raise StartError(
            f"{archive.name}: cannot be unpacked: {error}", "create the archive again"
        ) from None
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise _refused(archive.name, "holds a name twice") from None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise _refused(archive.name, "holds a name that is too long") from None
        if error.errno == errno.EINVAL:  # an offset before the first byte
            raise _refused(archive.name, "is broken") from None
        raise
    if not unpacking.has_files:
        raise _refused(archive.name, "holds no files")
    tops = list(into.iterdir())
    return tops[0] if len(tops) == 1 and tops[0].is_dir() else into


class _Unpacking:
    """Writes members, and keeps count of their number and size."""

    def __init__(self, archive: Path, into: Path, bounds: Bounds) -> None:
        self._name = archive.name
        self._into = into
        self._bounds = bounds
        by_ratio = max(archive.stat().st_size * bounds.max_ratio, bounds.ratio_from_bytes)
        self._left_bytes = min(by_ratio, bounds.max_bytes)
        self._members = 0
        self.has_files = False

    def add(self, name: str, is_folder: bool, stream: IO[bytes] | None) -> None:
        """Write one member; `name` is the name in the archive."""
        self._members += 1
        if self._members > self._bounds.max_members:
            raise _refused(self._name, f"holds more than {self._bounds.max_members:,} members")
        # `tar -C folder .` begins every name with "./".
        path = name.removeprefix("./")
        if is_folder:
            path = path.rstrip("/") if path.strip("/") else path
            if path in ("", "."):
                return
            (self._into / checked_path(path, self._name)).mkdir(parents=True, exist_ok=True)
            return
        target = self._into / checked_path(path, self._name)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            while stream is not None and (chunk := stream.read(CHUNK_BYTES)):
                self._left_bytes -= len(chunk)
                if self._left_bytes < 0:
                    raise _refused(self._name, "becomes too large when it is unpacked")
                file.write(chunk)
        self.has_files = True


def _members(archive: Path) -> Iterator[tuple[str, bool, IO[bytes] | None]]:
    """Yield (name, whether it is a folder, its bytes) of each member. Read it before the next."""
    lower = archive.name.lower()
    if lower.endswith(_ZIP):
        return _zip_members(archive)
    return _tar_members(archive, gzipped=lower.endswith(_GZIPPED))


def _zip_members(archive: Path) -> Iterator[tuple[str, bool, IO[bytes] | None]]:
    with zipfile.ZipFile(archive) as members:
        for info in members.infolist():
            # `filename` is cut at a NUL; this is the whole name in the archive.
            name = info.orig_filename
            if stat.S_IFMT(info.external_attr >> 16) not in _PLAIN_ZIP_TYPES:
                raise _refused(archive.name, f"holds {name!r}, a link or device")
            if info.flag_bits & 1:
                raise _refused(archive.name, f"holds {name!r}, which is encrypted")
            if name.endswith("/"):
                yield name, True, None
                continue
            with members.open(info) as stream:
                yield name, False, stream


def _tar_members(archive: Path, *, gzipped: bool) -> Iterator[tuple[str, bool, IO[bytes] | None]]:
    with (
        gzip.open(archive) if gzipped else archive.open("rb") as raw,
        tarfile.open(fileobj=raw, mode="r|", tarinfo=_Header) as members,
    ):
        for info in members:
            if info.isdir():
                yield info.name, True, None
            elif info.isreg() and not info.issparse():
                yield info.name, False, members.extractfile(info)
            else:
                raise _refused(archive.name, f"holds {info.name!r}, a link, device or sparse file")


class _Header(tarfile.TarInfo):
    """A tar header of limited size, because tarfile reads headers such as long names into memory."""

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type not in tarfile.SUPPORTED_TYPES and self.size > _MAX_TAR_HEADER_BYTES:
            raise tarfile.HeaderError("a header is too large")
        member: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]
        return member


def _refused(name: str, why: str) -> StartError:
    return StartError(
        f"{name} {why}", "create the archive again, with plain files and folders only"
    )
