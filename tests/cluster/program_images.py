"""Images of programs that were built here, for pods of tests."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tools.cluster.scratch_image import write_image


def write_program_image(archive: Path, name: str, programs: Mapping[str, Path]) -> None:
    """Write a docker-archive with each program at its path, and the libraries that they need."""
    files = dict(programs)
    for program in programs.values():
        needs = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
        files |= {library: Path(library) for library in re.findall(r"(/\S+) \(0x", needs)}
    write_image(archive, name, files, [next(iter(programs))])
