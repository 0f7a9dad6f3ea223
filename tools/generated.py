"""Files that are generated and committed: a tool writes them, or with --check says which are stale."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path


def write_or_check(texts: Mapping[Path, str], command: str) -> int:
    """Write each text to its file; with `--check` on the command line only compare.

    Returns the exit code: 1 if `--check` finds one that is stale. `command` writes them anew.
    """
    stale = [f for f, text in texts.items() if not f.exists() or f.read_text("utf-8") != text]
    if "--check" in sys.argv[1:]:
        for file in stale:
            print(
                f"stale: {file.relative_to(Path(__file__).parent.parent)}; run {command}",
                file=sys.stderr,
            )
        return int(bool(stale))
    for file in stale:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(texts[file], encoding="utf-8")
    return 0
