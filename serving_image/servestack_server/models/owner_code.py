"""Imports of modules that the model's owner ships in the artifact's `code/` folder."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path

_folders: list[Path] = []
"""Code folders on the path, the newest first."""


def add_code(folder: Path | None) -> None:
    """Put the folder first on the path.

    Two models may bring modules of the same name. Modules of earlier models are removed from
    `sys.modules`, so that the next import reads this model's own. Objects from them keep working.
    """
    if folder is None or not folder.is_dir():
        return
    folder = folder.resolve()
    own = {file.stem for file in folder.iterdir()}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name.split(".")[0] in own and file and _is_owners(Path(file)):
            del sys.modules[name]
    if folder in _folders:
        _folders.remove(folder)
        sys.path.remove(str(folder))
    _folders.insert(0, folder)
    sys.dont_write_bytecode = True  # __pycache__ in the artifact would change its digest
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()


def describe_failure(error: BaseException, folder: Path) -> str:
    """Return `file.py:12: TypeError: message`, with the innermost line of the owner's code."""
    folder = folder.resolve()
    where = ""
    if isinstance(error, SyntaxError) and error.filename:
        where = _place(folder, error.filename, error.lineno)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if where:
            break
        where = _place(folder, frame.filename, frame.lineno)
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    first = message.strip().splitlines()[0] if message.strip() else ""
    return f"{where}{type(error).__name__}: {first}".removesuffix(": ")


def _place(folder: Path, filename: str, line: int | None) -> str:
    path = Path(filename).resolve()
    return f"{path.relative_to(folder)}:{line}: " if path.is_relative_to(folder) else ""


def _is_owners(file: Path) -> bool:
    return any(file.resolve().is_relative_to(folder) for folder in _folders)
