"""The recipes of the project's images and of their base images."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from tools.images.private import run_privately
from tools.images.recipe import REPOSITORY, Recipe
from tools.install import install

_BASES = "tools/images/bases"
_SUITE = "bookworm"


def serving(variant: str = "base") -> Recipe:
    """The model server; `variant` names its file in serving_image/requirements."""
    version = _found(r'^__version__ = "(.+)"', "modules/servestack_contract/__init__.py")
    return Recipe(
        "serving",
        version if variant == "base" else f"{version}-{variant}",
        "serving_image/Containerfile",
        (
            f"serving_image/requirements/{variant}.txt",
            "modules/servestack_contract",
            "serving_image/servestack_server",
        ),
        arguments={"VARIANT": variant},
        bases={"BASE": _python()},
        same_times=True,
    )


def filebeat() -> Recipe:
    """The sidecar that ships events to Kafka."""
    version = _found(r"github.com/elastic/beats/v7 v([\d.]+)", "tools/filebeat/go.mod")
    program = Recipe(
        "base/filebeat",
        version,
        f"{_BASES}/filebeat.Containerfile",
        ("tools/filebeat/go.mod", "tools/filebeat/go.sum"),
        prepare=_copy_filebeat,
    )
    return Recipe(
        "filebeat",
        version,
        "logging/Containerfile",
        bases={"BASE": _debian(), "FILEBEAT": program},
        same_times=True,
    )


def _python() -> Recipe:
    return Recipe(
        "base/python", _SUITE, f"{_BASES}/python.Containerfile", bases={"BASE": _debian()}
    )


def _debian() -> Recipe:
    return Recipe(
        "base/debian",
        _SUITE,
        f"{_BASES}/debian.Containerfile",
        (f"{_BASES}/debian.sh",),
        prepare=_make_debian,
    )


def _make_debian(context: Path) -> None:
    """Needs root. The script's temporary folder and mounts end with its namespace."""
    install("debootstrap")
    script = REPOSITORY / _BASES / "debian.sh"
    run_privately(["sh", str(script), _SUITE, str(context / "debian.tar")], context.parent)


def _copy_filebeat(context: Path) -> None:
    copy = context / "filebeat"
    shutil.copyfile(install("filebeat"), copy)
    copy.chmod(0o755)
    os.utime(copy, (0, 0))


def _found(pattern: str, file: str) -> str:
    match = re.search(pattern, (REPOSITORY / file).read_text(), re.MULTILINE)
    if match is None:
        raise SystemExit(f"{file}: nothing matches {pattern}")
    return match[1]
