"""Fetches pinned artifacts into a folder: downloads, verifies, unpacks and places them."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from servestack_contract.artifact import NOT_COUNTED, Pin
from servestack_server.errors import StartError
from servestack_server.fetch.archive import is_archive, unpack
from servestack_server.fetch.digest import digest_of
from servestack_server.fetch.download import Download
from servestack_server.fetch.lock import locked
from servestack_server.fetch.partial import Partial
from servestack_server.fetch.patience import Patience, Tries
from servestack_server.fetch.place import drop_replaced, is_there, place
from servestack_server.fetch.progress import Progress
from servestack_server.fetch.sources.choose import choose_source
from servestack_server.fetch.sources.source import Listing, Source

_FULL = (errno.ENOSPC, errno.EDQUOT)
_CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)


def fetch(
    artifacts: Sequence[Pin],
    into: Path,
    *,
    say: Callable[[str], None],
    patience: Patience | None = None,
) -> None:
    """Fetch each artifact into the folder `<into>/<name>`, and verify it before it is visible there.

    An artifact that is already there with the right digest stays. A single file keeps its name in
    its folder; an archive is unpacked. `say` gets lines for a log. Raises StartError for every
    failure. A second call resumes where the first one ended.
    """
    names = [pin.name for pin in artifacts]
    for name in names:
        if names.count(name) > 1:
            raise StartError(f"two artifacts are called {name}", "give each a name of its own")
    try:
        into.mkdir(parents=True, exist_ok=True)
        with locked(into, say):
            for pin in artifacts:
                _fetch_one(pin, into, patience or Patience(), say)
    except OSError as error:
        if error.errno in _FULL:
            hint = "give the pod more ephemeral storage, or put the folder on a larger disk"
            raise StartError(f"{into}: the disk is full", hint) from None
        hint = "use a folder that this user may write to" if error.errno in _CLOSED else ""
        where = error.filename or into
        raise StartError(f"{where}: {error.strerror or error}", hint) from None


def download(
    uri: str, into: Path, *, say: Callable[[str], None], patience: Patience | None = None
) -> Path:
    """Download an artifact as it is at its source into the folder `into`, and return its path.

    Nothing is verified or unpacked: this is for `servestack lock`, which makes the digest that
    `fetch` verifies. Raises StartError for every failure.
    """
    try:
        partial = Partial(Pin("artifact", uri), into)
        partial.begin()
        return _download(partial.pin, choose_source(uri), partial, patience or Patience(), say)[0]
    except OSError as error:
        raise StartError(f"{error.filename or into}: {error.strerror or error}") from None


def _fetch_one(pin: Pin, into: Path, patience: Patience, say: Callable[[str], None]) -> None:
    partial = Partial(pin, into)
    if is_there(pin, into):
        partial.clear()
        drop_replaced(pin, into)
        say(f"{pin.name}: is already there, sha256 {pin.sha256} verified")
        return
    source = choose_source(pin.value)
    if not pin.sha256:
        say(f"{pin.name}: is locked without a digest, so it is not verified")
        # Without a digest, nothing shows whether an old and a new part belong to the same file.
        partial.clear()
    goes_on = partial.begin()
    downloaded, digest, summary = _download(pin, source, partial, patience, say)
    if goes_on and digest != pin.sha256:
        say(f"{pin.name}: the partial download of an earlier fetch does not match; starting over")
        partial.clear()
        partial.begin()
        downloaded, digest, summary = _download(pin, source, partial, patience, say)
    if pin.sha256 and digest != pin.sha256:
        partial.clear()
        raise StartError(
            f"{pin.name}: {source.shown} has sha256 {digest}, but {pin.sha256} is locked",
            "it has changed since it was locked; if that is intended, run servestack lock",
        )
    place(pin, _content(downloaded, partial), into)
    partial.clear()
    say(f"{pin.name}: {summary}, sha256 {digest} {'verified' if pin.sha256 else 'not verified'}")


def _download(
    pin: Pin, source: Source, partial: Partial, patience: Patience, say: Callable[[str], None]
) -> tuple[Path, str, str]:
    """Download an artifact. Returns (the folder or file, its digest, a summary of size and time)."""
    listing = Tries(patience, source, say).until_done(source.list_files)
    if listing.is_folder:
        # The digest does not include this file, so nothing would verify it.
        files = tuple(remote for remote in listing.files if remote.path != NOT_COUNTED)
        listing = Listing(files, is_folder=True)
    if not listing.files:
        raise StartError(f"{source.shown}: holds no files", source.hint)
    progress = Progress(pin.name, _total_bytes(listing), say)
    Download(source, partial, progress, patience, say).bring_all(listing)
    came = partial.data if listing.is_folder else partial.data / listing.files[0].path
    return came, digest_of(came), progress.summary()


def _total_bytes(listing: Listing) -> int | None:
    sizes = [remote.size_bytes for remote in listing.files]
    return None if None in sizes else sum(size or 0 for size in sizes)


def _content(downloaded: Path, partial: Partial) -> Path:
    """Return the folder to place. Unpacks an archive; raises StartError if it is refused."""
    if downloaded == partial.data or not is_archive(downloaded.name):
        return partial.data
    if partial.unpacked.exists():
        shutil.rmtree(partial.unpacked)
    try:
        return unpack(downloaded, partial.unpacked)
    except StartError:
        partial.clear()
        raise
