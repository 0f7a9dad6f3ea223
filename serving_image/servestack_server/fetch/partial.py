"""The folder of an unfinished download: `.partial-<name>-<which>` beside the models.

`data/` holds the complete files, `part` the bytes of the current file, and `part.json` a note of
which file they belong to. The folder outlives the process, so that the next one can resume.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from servestack_contract.artifact import Pin


@dataclass(frozen=True, slots=True)
class Part:
    """The file that the bytes of `part` belong to. `size_bytes` is its full size, if known."""

    path: str = ""
    validator: str = ""
    size_bytes: int | None = None


class Partial:
    """The folder for one pin. Another address or digest has another folder."""

    def __init__(self, pin: Pin, into: Path) -> None:
        self.pin = pin
        which = hashlib.sha256(f"{pin.value}#{pin.sha256}".encode()).hexdigest()[:12]
        self.folder = into / f".partial-{pin.name}-{which}"
        self.data = self.folder / "data"
        self.unpacked = self.folder / "unpacked"
        self.part = self.folder / "part"
        self._note = self.folder / "part.json"
        self._others = [
            # Names may contain dashes, so match exactly twelve hex digits after this one.
            path
            for path in into.glob(f".partial-{pin.name}-" + "[0-9a-f]" * 12)
            if path != self.folder
        ]

    def begin(self) -> bool:
        """Create the folder and delete those of other pins. Returns whether it was there already."""
        self._clear_others()
        goes_on = self.data.exists()
        self.data.mkdir(parents=True, exist_ok=True)
        return goes_on

    def clear(self) -> None:
        """Delete the folder, and those of other pins."""
        self._clear_others()
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.folder)

    def _clear_others(self) -> None:
        for folder in self._others:
            if folder.exists():
                shutil.rmtree(folder)

    def noted(self) -> Part:
        """Read the note about the part. It is empty if the note is missing or incomplete."""
        try:
            return Part(**json.loads(self._note.read_bytes()))
        except (OSError, ValueError, TypeError):
            return Part()

    def note(self, part: Part) -> None:
        """Write the note about the part, before its bytes arrive."""
        text = {"path": part.path, "validator": part.validator, "size_bytes": part.size_bytes}
        self._note.write_text(json.dumps(text), encoding="utf-8")

    def part_bytes(self) -> int:
        """Return how many bytes of the current file are there."""
        return self.part.stat().st_size if self.part.exists() else 0
