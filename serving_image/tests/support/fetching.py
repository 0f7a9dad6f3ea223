"""A fetch without long waits, whose words can be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from servestack_contract.artifact import Pin
from servestack_server.fetch.fetch import fetch
from servestack_server.fetch.patience import Patience

Fetch = Callable[..., list[str]]
QUICK = Patience(tries=4, first_wait_seconds=0.01, longest_asked_seconds=0.3)


def fetch_into(folder: Path) -> Fetch:
    """A function that fetches pins into the folder and returns what was said."""

    def run(*pins: Pin) -> list[str]:
        said: list[str] = []
        fetch(pins, folder, say=said.append, patience=QUICK)
        return said

    return run
