"""The commands that a Markdown page tells its reader to type."""

from __future__ import annotations

import re
from pathlib import Path

_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands_of(page: Path) -> list[str]:
    """The commands of all `sh` blocks in their order; a here-document is part of its command."""
    commands: list[str] = []
    for block in _BLOCK.findall(page.read_text()):
        lines = iter(block.splitlines())
        for line in lines:
            command = line.partition("  # ")[0].rstrip()
            while command.endswith("\\"):
                command = f"{command}\n{next(lines)}"
            if here := re.search(r"<<'(\w+)'", command):
                for line in lines:
                    command += f"\n{line}"
                    if line == here[1]:
                        break
            if command:
                commands.append(command)
    return commands
