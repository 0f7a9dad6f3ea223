"""Builds with the Docker daemon, on the official base images."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from tools.images.private import run
from tools.images.recipe import Recipe


def answers() -> bool:
    """Whether there is a daemon to build with."""
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


def build(recipe: Recipe, file: Path, work: Path) -> None:
    """Build, and write a docker-archive."""
    with tempfile.TemporaryDirectory(dir=work) as folder:
        context = Path(folder)
        recipe.fill_context(context)
        arguments = [f"--build-arg={name}={value}" for name, value in recipe.arguments.items()]
        containerfile = str(context / recipe.containerfile)
        build = ["docker", "build", *arguments, "-f", containerfile, "-t", recipe.reference]
        run([*build, str(context)], work)
    run(["docker", "save", "-o", str(file), recipe.reference], work)
