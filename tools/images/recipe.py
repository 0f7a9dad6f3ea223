"""An image as its ingredients, and the digest of them that names the result."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Recipe:
    """A Containerfile, the files and folders of the repository that it copies, and its arguments.

    `bases` are the arguments that name another image, with the recipe for that image where no
    registry has it. `prepare` adds to the context folder what is made from `sources`.
    `same_times` gives all files one time, so that the same ingredients give the same image, except
    for what Python's compiler leaves to chance. It must not be set where compiled Python is
    installed that is checked by time.
    """

    name: str
    tag: str
    containerfile: str
    sources: tuple[str, ...] = ()
    arguments: Mapping[str, str] = field(default_factory=dict)
    bases: Mapping[str, Recipe] = field(default_factory=dict)
    prepare: Callable[[Path], None] | None = None
    same_times: bool = False

    @property
    def reference(self) -> str:
        return f"localhost/servestack/{self.name}:{self.tag}"

    def key(self, *, with_bases: bool) -> str:
        """12 hex digits of the ingredients' digest; `with_bases` includes those of the bases."""
        digest = hashlib.sha256(f"{self.reference} {sorted(self.arguments.items())}".encode())
        for file in self._files():
            digest.update(b"\0%s\0" % os.fsencode(file))
            digest.update((REPOSITORY / file).read_bytes())
        for argument, base in sorted(self.bases.items()) if with_bases else ():
            digest.update(f"\0{argument}={base.key(with_bases=True)}".encode())
        return digest.hexdigest()[:12]

    def fill_context(self, folder: Path) -> None:
        """Copy what the build may see into a folder, always with the same modes and times."""
        for file in self._files():
            copy = folder / file
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY / file, copy)
            copy.chmod(0o755 if os.access(REPOSITORY / file, os.X_OK) else 0o644)
            os.utime(copy, (0, 0))
        if self.prepare is not None:
            self.prepare(folder)
        for path in (folder, *folder.rglob("*")):
            if path.is_dir():
                path.chmod(0o755)
                os.utime(path, (0, 0))

    def _files(self) -> Iterator[Path]:
        for source in (self.containerfile, *self.sources):
            path = REPOSITORY / source
            found = sorted(path.rglob("*")) if path.is_dir() else [path]
            for file in found:
                relative = file.relative_to(REPOSITORY)
                hidden = any(part == "__pycache__" or part[0] == "." for part in relative.parts)
                if file.is_file() and not hidden:
                    yield relative
