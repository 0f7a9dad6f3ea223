"""A virtual environment as an image variant has it, made once for each list of its packages."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tools.locking import exclusive

_IMAGE = Path(__file__).parents[2]
_MODULES = _IMAGE.parent / "modules"
_USER_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
_CACHE = Path(os.environ.get("SERVESTACK_CACHE") or _USER_CACHE / "servestack") / "venvs"
_GIBIBYTE = 1 << 30


def run_in_variant(name: str, program: str, *, needs_gib: int) -> str:
    """What the program prints under the variant's interpreter.

    Skips the test where the environment is not in the cache and the disk has less than `needs_gib`
    free for the packages, once downloaded and once installed.
    """
    python = _make(name, needs_gib)
    environment = os.environ | {
        "PYTHONPATH": f"{_MODULES}{os.pathsep}{_IMAGE}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "CUDA_VISIBLE_DEVICES": "",
    }
    run = subprocess.run(
        [python, "-c", program], capture_output=True, text=True, env=environment, check=False
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return run.stdout


def _make(name: str, needs_gib: int) -> Path:
    requirements = _IMAGE / "requirements" / f"{name}.txt"
    key = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    folder = _CACHE / f"{name}-{key}"
    python = folder / "bin" / "python"
    with exclusive(_CACHE / f".{name}.lock", on_wait=lambda: None):
        if (folder / "complete").exists():
            return python
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed: the lock is ours
        free_gib = shutil.disk_usage(_CACHE).free // _GIBIBYTE
        if free_gib < needs_gib:
            pytest.skip(f"{name}: {needs_gib} GiB of packages, and the cache has {free_gib} free")
        uv = Path(sys.executable).with_name("uv")
        subprocess.run([uv, "venv", "-q", "--python", sys.executable, folder], check=True)
        # Linked or copied whatever UV_LINK_MODE says: it may outlive uv's cache.
        sync = ("pip", "sync", "-q", "--link-mode=hardlink", "--require-hashes")
        subprocess.run([uv, *sync, "--python", python, requirements], check=True)
        (folder / "complete").touch()
        for old in _CACHE.glob(f"{name}-*"):
            if old != folder:
                shutil.rmtree(old)
    return python
