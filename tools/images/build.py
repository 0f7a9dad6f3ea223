"""An image's archive: from the cache, or built into it."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools.images import buildah, docker
from tools.images.recipe import Recipe
from tools.install import CACHE
from tools.locking import exclusive

FOLDER = CACHE.parent / "images"
STORAGE = FOLDER / "storage"
_WORK = FOLDER / "work"
_KEPT_ARCHIVES = 2


def obstacle() -> str | None:
    """Why no image can be built here; None if one can."""
    if os.geteuid() == 0 or docker.answers():
        return None
    return "building an image needs a Docker daemon or root: here is neither"


def build(recipe: Recipe) -> Path:
    """The path of a docker-archive that holds the image under its reference.

    Raises SystemExit with the failing step's output if it cannot be built.
    """
    with_docker = docker.answers()
    name = recipe.reference.rpartition("/")[2].replace(":", "-")
    key = recipe.key(with_bases=not with_docker)
    archive = FOLDER / f"{name}-{key}.tar"
    if archive.exists():
        _say(f"{recipe.reference}: {_megabytes(archive)}, built before")
        return archive
    reason = obstacle()
    if reason is not None:
        raise SystemExit(reason)
    with _alone():
        if not archive.exists():
            started = time.monotonic()
            unfinished = _WORK / "archive.tar"
            if with_docker:
                docker.build(recipe, unfinished, _WORK)
            else:
                buildah.build(recipe, STORAGE, _WORK)
                buildah.save(recipe.reference, unfinished, STORAGE, _WORK)
            unfinished.replace(archive)
            seconds = time.monotonic() - started
            _say(f"{recipe.reference}: {_megabytes(archive)}, built in {seconds:.0f} s")
            _discard_old(name)
        else:
            _say(f"{recipe.reference}: {_megabytes(archive)}, built by the other run")
    return archive


@contextmanager
def _alone() -> Iterator[None]:
    """Wait for another run, then start with an empty folder for temporary files."""
    with exclusive(
        FOLDER / "lock", on_wait=lambda: _say("waiting for another run that builds images …")
    ):
        shutil.rmtree(_WORK, ignore_errors=True)
        _WORK.mkdir()
        yield


def _discard_old(name: str) -> None:
    """Keep the two newest archives of an image: another run may still read the older one."""
    key_length = 12
    archives = FOLDER.glob(f"{name}-{'?' * key_length}.tar")
    by_age = sorted(archives, key=lambda file: file.stat().st_mtime, reverse=True)
    for old in by_age[_KEPT_ARCHIVES:]:
        old.unlink()


def _megabytes(file: Path) -> str:
    return f"{file.stat().st_size / 1e6:.0f} MB"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
