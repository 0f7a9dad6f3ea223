"""The folder of a download that is not done: `.partial-<name>-<which>` beside the models.

`data/` holds the files that are whole, `part` the bytes of the one at hand and `part.json` what
they are of. It outlives the process, so that the next one goes on where this one was ended.
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
    """What the bytes of `part` are of; `size_bytes` is of the whole file, where it is known."""

    path: str = ""
    validator: str = ""
    size_bytes: int | None = None


class Partial:
    """The folder for one pin: another address or digest has another folder."""

    def __init__(self, pin: Pin, into: Path) -> None:
        which = hashlib.sha256(f"{pin.value}#{pin.sha256}".encode()).hexdigest()[:12]
        self.folder = into / f".partial-{pin.name}-{which}"
        self.data = self.folder / "data"
        self.unpacked = self.folder / "unpacked"
        self.part = self.folder / "part"
        self._note = self.folder / "part.json"
        self._others = [
            # Names hold dashes too: only twelve hex digits may follow this one.
            path
            for path in into.glob(f".partial-{pin.name}-" + "[0-9a-f]" * 12)
            if path != self.folder
        ]

    def begin(self) -> bool:
        """Make the folder, and drop those of other pins; whether there was something to go on."""
        self._clear_others()
        goes_on = self.data.exists()
        self.data.mkdir(parents=True, exist_ok=True)
        return goes_on

    def clear(self) -> None:
        """Drop all of it, and those of other pins."""
        self._clear_others()
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.folder)

    def _clear_others(self) -> None:
        for folder in self._others:
            if folder.exists():
                shutil.rmtree(folder)

    def noted(self) -> Part:
        """What the part is of; nothing where the note is not whole."""
        try:
            return Part(**json.loads(self._note.read_bytes()))
        except (OSError, ValueError, TypeError):
            return Part()

    def note(self, part: Part) -> None:
        """Say what the part is of, before its bytes come."""
        text = {"path": part.path, "validator": part.validator, "size_bytes": part.size_bytes}
        self._note.write_text(json.dumps(text), encoding="utf-8")

    def part_bytes(self) -> int:
        """How much of the file at hand is there."""
        return self.part.stat().st_size if self.part.exists() else 0
