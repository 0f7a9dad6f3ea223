"""The settings with which pip in a build reaches the same indexes as on this machine."""

from __future__ import annotations

import ast
import configparser
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

_KEPT = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout")


def write_pip_settings(folder: Path, mounted: str) -> Path:
    """Write pip.conf and the certificates it names to `folder`, which will be seen as `mounted`."""
    folder.mkdir(mode=0o700, exist_ok=True)
    settings = {name: value for name, value in _settings().items() if name in _KEPT}
    trusted = ssl.get_default_verify_paths().cafile
    if trusted is not None:
        shutil.copyfile(trusted, folder / "certificates.crt")
        settings["cert"] = f"{mounted}/certificates.crt"
    written = configparser.RawConfigParser()
    written["global"] = settings
    with (folder / "pip.conf").open("w") as stream:
        written.write(stream)
    return folder


def _settings() -> dict[str, str]:
    """pip's settings on this machine; its environment variables win over its files."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        capture_output=True,
        text=True,
        check=False,
    )
    settings: dict[str, str] = {}
    for line in sorted(listed.stdout.splitlines(), key=lambda line: line.startswith(":env:")):
        name, _, value = line.partition("=")
        settings[name.rpartition(".")[2]] = str(ast.literal_eval(value))
    return settings
