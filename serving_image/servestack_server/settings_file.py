"""Reads the rendered settings file, and the pins in the arguments of the command."""

from __future__ import annotations

import hashlib
from pathlib import Path

from servestack_contract.artifact import Pin
from servestack_contract.artifact import parse_pin as _parse_pin
from servestack_contract.settings import ServerSettings, read_settings
from servestack_server.errors import StartError


def read_settings_file(file: Path) -> ServerSettings:
    """Read the settings file. Raises StartError, which names the file and the field at fault."""
    try:
        return read_settings(file.read_bytes())
    except OSError as error:
        raise StartError(f"{file}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        hint = "render the settings again with the servestack version of the image"
        raise StartError(f"{file}: {error}", hint) from None


def settings_digest(file: Path) -> str:
    """Return the sha256 of the settings file, in hex: which spec the server answers with."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise StartError(f"{file}: cannot be read: {error.strerror}") from None


def parse_pin(text: str) -> Pin:
    """Parse a `--artifact` or `--model` argument. Raises StartError if it has another form."""
    try:
        return _parse_pin(text)
    except ValueError as error:
        raise StartError(str(error)) from None
