"""Puts verified artifacts where the server finds them, and recognises those already there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from servestack_contract.artifact import Pin
from servestack_server.errors import StartError
from servestack_server.fetch.digest import digest_of


def is_there(pin: Pin, into: Path) -> bool:
    """Whether the folder of the pin's name holds the pinned artifact. It reads every byte.

    An archive or a single file has another digest than the folder made from it, so a record beside
    the folder has both digests.
    """
    folder = into / pin.name
    if not pin.sha256 or folder.is_symlink() or not folder.is_dir():
        return False
    try:
        tree = digest_of(folder)
    except StartError:
        return False
    return tree == pin.sha256 or _read(_record(pin, into)) == f"{pin.sha256} {tree}\n"


def place(pin: Pin, folder: Path, into: Path) -> None:
    """Rename a verified folder to the pin's name, and delete what was there."""
    target, old, record = into / pin.name, _replaced(pin, into), _record(pin, into)
    if pin.sha256:
        # Write the record first. Without it the artifact would be fetched again; and if a kill
        # follows, the old folder does not match the record, so it is not accepted.
        new = record.with_name(f"{record.name}.new")
        new.write_text(f"{pin.sha256} {digest_of(folder)}\n", encoding="utf-8")
        new.replace(record)
    drop_replaced(pin, into)
    if os.path.lexists(target):
        target.rename(old)
    folder.rename(target)
    drop_replaced(pin, into)


def drop_replaced(pin: Pin, into: Path) -> None:
    """Delete the replaced folder, which a kill can leave behind."""
    old = _replaced(pin, into)
    if old.is_dir() and not old.is_symlink():
        shutil.rmtree(old)
    else:
        old.unlink(missing_ok=True)


def _replaced(pin: Pin, into: Path) -> Path:
    return into / f".replaced-{pin.name}"


def _record(pin: Pin, into: Path) -> Path:
    return into / f".fetched-{pin.name}"


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
