"""Virtual environments of the servers, made once from their locked requirements."""

from __future__ import annotations

import functools
import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.install import CACHE

from tests.support.projects import REPOSITORY

HERE = Path(__file__).parent
UV = Path(sys.executable).with_name("uv")
SERVING_IMAGE = REPOSITORY / "serving_image"
INSTALL_SECONDS = 900


class PeerFailedError(Exception):
    """A server cannot be installed, started or measured, and why."""


def peer_venv(name: str) -> Path:
    """The environment of `peers/<name>/requirements.txt`."""
    return _venv(name, HERE / "peers" / name / "requirements.txt")


@functools.cache
def image_venv() -> Path:
    """What the serving image holds: its locked requirements, and the server as it is now."""
    venv = _venv("servestack", SERVING_IMAGE / "requirements/base.txt")
    with tempfile.TemporaryDirectory() as folder:
        build = ["build", "--wheel", "--no-build-isolation", "--python", sys.executable]
        _uv(*build, "--out-dir", folder, str(REPOSITORY))
        wheel = next(Path(folder).glob("*.whl"))
        install = ["pip", "install", "--no-deps", "--reinstall", "--compile-bytecode"]
        _uv(*install, "--python", str(venv / "bin/python"), str(wheel))
    return venv


def _venv(name: str, requirements: Path) -> Path:
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    venv = CACHE.parent / f"peers/{name}-{digest}"
    complete = venv / ".installed"
    if not complete.exists():
        shutil.rmtree(venv, ignore_errors=True)
        _uv("venv", "--python", sys.executable, str(venv))
        # Not a link into uv's cache, whatever UV_LINK_MODE says: it may be emptied.
        kept = "--link-mode=hardlink"
        install = ["pip", "install", kept, "--require-hashes", "--compile-bytecode"]
        _uv(*install, "--python", str(venv / "bin/python"), "-r", str(requirements))
        complete.touch()
    return venv


def _uv(*arguments: str) -> None:
    try:
        subprocess.run(
            [UV, "--quiet", *arguments],
            check=True,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
        )
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or ["no message"]
        raise PeerFailedError(f"uv {arguments[0]} failed: {lines[-1].strip()}") from None
    except subprocess.TimeoutExpired:
        raise PeerFailedError(f"uv {arguments[0]} took over {INSTALL_SECONDS} s") from None
