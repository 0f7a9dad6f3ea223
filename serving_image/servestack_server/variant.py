"""Reads the pod's variant from a file of the downward API, which follows the pod's label."""

from __future__ import annotations

import logging
from pathlib import Path

from servestack_contract.variant import DEFAULT, VARIANTS, Variant

log = logging.getLogger(__name__)


class VariantFile:
    """The variant that the file names, as of the last `refresh`.

    An empty file (the pod has no such label), an unknown word and a file that cannot be read mean
    the default: what events and metrics are labelled with must not keep a model from answering.
    Metrics have one series for each variant, so no other word is taken.
    """

    def __init__(self, file: str | None) -> None:
        self._file = Path(file) if file is not None else None
        self._complaint = ""
        self.current: Variant = DEFAULT
        self.refresh()

    def refresh(self) -> bool:
        """Read the file again. Returns whether the variant is another one."""
        if self._file is None:
            return False
        before, self.current = self.current, self._read(self._file)
        return self.current != before

    def _read(self, file: Path) -> Variant:
        complaint = ""
        word = ""
        try:
            # A few bytes in memory: cheaper than to find out whether they have changed.
            word = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            complaint = f"{file}: the variant cannot be read, so it is {DEFAULT}: {error}"
        if word and word not in VARIANTS:
            complaint = f"{file}: the variant {word!r} is not one of {', '.join(VARIANTS)}, so it is {DEFAULT}"
        if complaint and complaint != self._complaint:
            log.warning("%s", complaint)
        self._complaint = complaint
        return word if word in VARIANTS else DEFAULT
