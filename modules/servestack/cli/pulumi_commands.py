"""`servestack preview`, `up`, `destroy`, `status`."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from servestack.apply.engine import Engine
from servestack.cli.output import say, write


def preview(root: Path, environment: str) -> None:
    """Print the counts of what would change."""
    write(json.dumps(Engine(root, environment, say).preview(), indent=2) + "\n")


def up(root: Path, environment: str, *, yes: bool) -> None:
    """Preview, ask, apply, print the outputs."""
    engine = Engine(root, environment, say)
    if not yes and set(engine.preview()) - {"same"}:
        typer.confirm(f"Bring {environment} to this?", abort=True, err=True)
    write(json.dumps(engine.up(), indent=2) + "\n")


def destroy(root: Path, environment: str, *, yes: bool) -> None:
    """Ask, then take everything away."""
    engine = Engine(root, environment, say, create=False)
    if not yes:
        typer.confirm(f"Take away everything in {environment}?", abort=True, err=True)
    engine.destroy()


def status(root: Path, environment: str) -> None:
    """Print the outputs of the last update."""
    write(json.dumps(Engine(root, environment, say, create=False).outputs(), indent=2) + "\n")
