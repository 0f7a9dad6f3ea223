"""Downloads artifacts for `servestack lock` by the program that pods fetch them with.

It runs in a process of its own: the generator knows the contract of the server, not its modules.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from servestack.errors import Problem, RegistryError
from servestack_contract.sources import SCHEMES, Scheme, why_not_fetched

_SERVER = "servestack_server"
_READERS = ("azure", "databricks", "webhdfs")
_MODULES = {"azure-storage-blob": "azure.storage.blob", "databricks-sdk": "databricks.sdk"}
"""What the packages of these stores are imported as."""


def is_read_by_fetch(source: str) -> bool:
    """Whether lock reads an address as pods do. Others are read by MLflow or over https."""
    scheme = SCHEMES.get(urlsplit(source).scheme)
    return scheme is not None and scheme.reader in _READERS and why_not_fetched(source) is None


def download(source: str, folder: Path) -> Path:
    """Fetch an artifact into `folder`, and return its path.

    Raises RegistryError if it cannot be fetched (SRV226) or a package is missing (SRV227).
    """
    scheme = SCHEMES[urlsplit(source).scheme]
    if scheme.package and not _is_installed(_MODULES[scheme.package]):
        raise RegistryError(
            Problem(
                "SRV227", f"{source}: needs the package {scheme.package}", hint=_install(scheme)
            )
        )
    command = [sys.executable, "-m", _SERVER, "download", f"--into={folder}"]
    done = subprocess.run(
        [*command, f"--artifact={source}"], capture_output=True, text=True, check=False
    )
    try:
        said = json.loads(done.stdout)
    except ValueError:
        lines = done.stderr.strip().splitlines() or [f"it ended with code {done.returncode}"]
        said = {"message": f"{source}: cannot be fetched: {lines[-1][:300]}", "hint": ""}
    if "path" in said:
        return Path(said["path"])
    raise RegistryError(Problem("SRV226", said["message"], hint=said["hint"]))


def _install(scheme: Scheme) -> str:
    wanted = f"'servestack[{scheme.extra}]'" if scheme.extra else scheme.package
    return f"pip install {wanted}"


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # Of a package above it.
        return False
