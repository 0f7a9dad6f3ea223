"""What is left of environments that were renamed or removed: rendered folders and lock files."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from servestack.errors import Location, Problem, RenderError
from servestack.render.folder import scan
from servestack.render.tree import is_ours, write_tree
from servestack.resolve.lock import is_lock


@dataclass(frozen=True, slots=True)
class Orphan:
    """A folder below rendered/ or a lock file whose environment does not exist.

    `path` is relative to the project, `files` is the number of files in it that servestack wrote.
    """

    environment: str
    path: Path
    files: int


def find_orphans(
    root: Path, rendered: Path, stacks: Path, environments: Collection[str]
) -> tuple[Orphan, ...]:
    """Return what servestack wrote for environments that are not among those of the project.

    `rendered` and `stacks` are folders relative to `root`. Raises RenderError for a folder that
    cannot be read.
    """
    found: list[Orphan] = []
    try:
        if (root / rendered).is_dir():
            for folder in sorted((root / rendered).iterdir()):
                if folder.name in environments or folder.is_symlink() or not folder.is_dir():
                    continue
                ours = [path for path in scan(folder).files if is_ours(folder / path)]
                if ours:
                    found.append(Orphan(folder.name, rendered / folder.name, len(ours)))
        for file in sorted((root / stacks).glob("*.lock.yaml")):
            name = file.name.removesuffix(".lock.yaml")
            if name not in environments and not file.is_symlink() and is_lock(file):
                found.append(Orphan(name, stacks / file.name, 1))
    except OSError as error:
        reason = error.strerror or str(error)
        where = Location(Path(error.filename or rendered))
        raise RenderError(Problem("SRV303", f"cannot be read: {reason}", where)) from None
    return tuple(found)


def prune(root: Path, orphan: Orphan) -> None:
    """Delete what servestack wrote of an orphan; other files in its folder stay.

    Raises RenderError if a file cannot be deleted.
    """
    place = root / orphan.path
    if not place.is_dir():
        try:
            place.unlink(missing_ok=True)
        except OSError as error:
            reason = error.strerror or str(error)
            where = Location(orphan.path)
            raise RenderError(Problem("SRV304", f"cannot be deleted: {reason}", where)) from None
        return
    if not write_tree(place, ()).foreign:
        place.rmdir()
