"""Tells of what is left of environments that no longer exist, and deletes it on request."""

from __future__ import annotations

from pathlib import Path

from servestack.cli.output import say
from servestack.project import RENDERED_FOLDER, STACKS_FOLDER, environment_names
from servestack.render.orphans import Orphan, find_orphans, prune


def note_orphans(root: Path) -> tuple[Orphan, ...]:
    """Say what servestack wrote for environments that do not exist, and return it."""
    found = _found(root)
    for orphan in found:
        files = "1 file" if orphan.files == 1 else f"{orphan.files} files"
        say(f"{orphan.path}: orphaned: no environment is called {orphan.environment!r} ({files})")
    if found:
        say(
            "orphans are deleted by `servestack render --prune`; whoever applies them must stop first"
        )
    return found


def prune_orphans(root: Path) -> None:
    """Delete what servestack wrote for environments that do not exist, and say so."""
    for orphan in _found(root):
        prune(root, orphan)
        say(f"{orphan.path}: deleted: no environment is called {orphan.environment!r}")


def _found(root: Path) -> tuple[Orphan, ...]:
    return find_orphans(root, RENDERED_FOLDER, STACKS_FOLDER, environment_names(root))
