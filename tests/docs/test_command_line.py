"""docs/command-line.md has every command and every option, and no other."""

from __future__ import annotations

import re

import pytest
import typer.main

from servestack.cli.main import app
from tests.support.projects import REPOSITORY

TEXT = (REPOSITORY / "docs/command-line.md").read_text(encoding="utf-8")
SECTIONS = dict(
    re.findall(r"^### servestack (\S+)\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL)
)
OF_MOST = {"--project", "-C", "--help", "-h"}
"""Options that the page explains once for all."""
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def test_every_command_has_its_section() -> None:
    assert set(SECTIONS) == set(COMMANDS)
    for option in OF_MOST:
        assert f"`{option}`" in TEXT


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_option_is_explained(name: str) -> None:
    options = {
        spelling
        for parameter in COMMANDS[name].params
        if parameter.param_type_name == "option"
        for spelling in (*parameter.opts, *parameter.secondary_opts)
    }
    written = set(re.findall(r"`(--?[a-z][a-z-]*)`", SECTIONS[name]))
    assert written == options - OF_MOST
