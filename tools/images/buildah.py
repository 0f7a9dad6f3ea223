"""Builds images with buildah: without a daemon and without a registry, as root."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.images.pip_settings import write_pip_settings
from tools.images.private import PRIVATELY, run_privately
from tools.images.recipe import Recipe
from tools.install import install

# Every Debian has this folder, so the mount leaves no trace of itself either.
_MOUNTED = "/mnt"


def command(storage: Path) -> list[str]:
    """The beginning of a buildah command on its own storage. Its mounts end with the process."""
    return [
        *PRIVATELY,
        str(install("buildah")),
        f"--root={storage / 'root'}",
        f"--runroot={storage / 'run'}",
        "--storage-driver=overlay",
    ]


def build(recipe: Recipe, storage: Path, work: Path) -> None:
    """Build an image into the storage, after those of its bases that are missing.

    Layers of earlier images that have no name any more are removed.
    """
    _remove_abandoned(storage, work)
    bases = {argument: _base(base, storage, work) for argument, base in recipe.bases.items()}
    _bud(recipe, recipe.reference, bases, storage, work)
    # Without a check: layers that a container uses cannot be removed before the next time.
    prune = [*command(storage), "rmi", "--prune"]
    subprocess.run(prune, check=False, capture_output=True)


def save(reference: str, file: Path, storage: Path, work: Path) -> None:
    """Write an image of the storage as a docker-archive."""
    target = f"docker-archive:{file}:{reference}"
    _run(["push", "-q", reference, target], storage, work)


def _base(recipe: Recipe, storage: Path, work: Path) -> str:
    reference = f"{recipe.reference}-{recipe.key(with_bases=True)}"
    known = [*command(storage), "inspect", "--type=image", reference]
    if subprocess.run(known, capture_output=True, check=False).returncode != 0:
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
                *("bud", "--layers", "--force-rm", "--pull-never"),
                *(f"--build-arg={name}={value}" for name, value in sorted(arguments.items())),
                *(["--timestamp=0"] if recipe.same_times else []),
                f"--volume={write_pip_settings(work / 'pip', _MOUNTED)}:{_MOUNTED}:ro",
                f"--build-arg=PIP_CONFIG_FILE={_MOUNTED}/pip.conf",
                *("-f", str(context / recipe.containerfile), "-t", reference, str(context)),
            ],
            storage,
            work,
        )


def _remove_abandoned(storage: Path, work: Path) -> None:
    """Remove the containers of builds that were killed; those that tests run have other names."""
    listed = subprocess.run(
        [*command(storage), "containers", "--json"], check=True, capture_output=True
    )
    names = [container["containername"] for container in json.loads(listed.stdout) or ()]
    abandoned = [name for name in names if "-working-container" in name]
    if abandoned:
        _run(["rm", *abandoned], storage, work)


def _run(arguments: list[str], storage: Path, work: Path) -> None:
    run_privately([*command(storage), *arguments], work)
