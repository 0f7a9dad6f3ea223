"""The iptables chains that podman creates on this machine; those of nodes are inside the nodes."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Collection, Iterator

_PREFIXES = ("NETAVARK",)
_FAMILIES = ("iptables", "ip6tables")


def find_chains() -> list[str]:
    return sorted({chain for family in _FAMILIES for _, chain in _chains(_save(family))})


def remove_chains(names: Collection[str]) -> None:
    """Delete these chains and the rules that jump to them; all other rules stay as they are."""
    for family in _FAMILIES:
        saved = _save(family)
        script = [line for table in _tables(saved) for line in _removal(table, saved, names)]
        if script:
            subprocess.run(
                [f"{family}-restore", "--noflush"],
                input="\n".join(script) + "\n", text=True, check=True,
            )  # fmt: skip


def _removal(table: str, saved: str, names: Collection[str]) -> Iterator[str]:
    chains = [chain for owner, chain in _chains(saved) if owner == table and chain in names]
    if not chains:
        return
    yield f"*{table}"
    for owner, line in _lines(saved):
        jump = re.search(r" -[jg] (\S+)", line)
        chain = line.split()[1] if line.startswith("-A ") else ""
        if owner == table and jump and jump[1] in chains and chain not in chains:
            yield f"-D {line.removeprefix('-A ')}"
    yield from (f"-F {chain}" for chain in chains)
    yield from (f"-X {chain}" for chain in chains)
    yield "COMMIT"


def _chains(saved: str) -> Iterator[tuple[str, str]]:
    for table, line in _lines(saved):
        if line.startswith(":") and line[1:].startswith(_PREFIXES):
            yield table, line[1:].split()[0]


def _tables(saved: str) -> list[str]:
    return [line[1:] for line in saved.splitlines() if line.startswith("*")]


def _lines(saved: str) -> Iterator[tuple[str, str]]:
    table = ""
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line[1:]
        yield table, line


def _save(family: str) -> str:
    return subprocess.run(
        [f"{family}-save"], capture_output=True, text=True, check=True
    ).stdout  # fmt: skip
