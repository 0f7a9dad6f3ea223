"""Builds without a daemon and without a registry, as root."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tools.images.pip_settings import write_pip_settings
from tools.images.private import PRIVATELY, run_privately
from tools.images.recipe import Recipe
from tools.install import install

# Every Debian has this folder, so the mount leaves no trace of itself either.
_MOUNTED = "/mnt"


def command(storage: Path) -> list[str]:
    """buildah on a storage of its own, to be continued. Its mounts go with the process."""
    return [
        *PRIVATELY,
        str(install("buildah")),
        f"--root={storage / 'root'}",
        f"--runroot={storage / 'run'}",
        "--storage-driver=overlay",
    ]


def build(recipe: Recipe, storage: Path, work: Path) -> None:
    """Build into the storage, the bases first that it does not hold yet."""
    bases = {argument: _base(base, storage, work) for argument, base in recipe.bases.items()}
    _bud(recipe, recipe.reference, bases, storage, work)


def save(reference: str, file: Path, storage: Path, work: Path) -> None:
    """Write a docker-archive."""
    target = f"docker-archive:{file}:{reference}"
    _run(["push", "-q", reference, target], storage, work)


def facts(reference: str, storage: Path) -> dict[str, Any] | None:
    """What `buildah inspect` says of an image of the storage; None where it is not there."""
    done = subprocess.run(
        [*command(storage), "inspect", "--type=image", reference],
        capture_output=True,
        check=False,
    )
    return None if done.returncode else dict(json.loads(done.stdout))


def _base(recipe: Recipe, storage: Path, work: Path) -> str:
    reference = f"{recipe.reference}-{recipe.key(with_bases=True)}"
    if facts(reference, storage) is None:
        bases = {argument: _base(base, storage, work) for argument, base in recipe.bases.items()}
        _bud(recipe, reference, bases, storage, work)
    return reference


def _bud(recipe: Recipe, reference: str, bases: dict[str, str], storage: Path, work: Path) -> None:
    print(f"{reference}: building …", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(dir=work) as folder:
        context = Path(folder)
        recipe.fill_context(context)
        arguments = {**recipe.arguments, **bases}
        _run(
            [
                *("bud", "--layers", "--pull-never"),
                *(f"--build-arg={name}={value}" for name, value in sorted(arguments.items())),
                *(["--timestamp=0"] if recipe.same_times else []),
                f"--volume={write_pip_settings(work / 'pip', _MOUNTED)}:{_MOUNTED}:ro",
                f"--build-arg=PIP_CONFIG_FILE={_MOUNTED}/pip.conf",
                *("-f", str(context / recipe.containerfile), "-t", reference, str(context)),
            ],
            storage,
            work,
        )


def _run(arguments: list[str], storage: Path, work: Path) -> None:
    run_privately([*command(storage), *arguments], work)
