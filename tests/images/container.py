"""Programs run in an image as the pod's user."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.images import buildah, docker
from tools.images.build import STORAGE

USER = "10001:10001"
SECONDS = 120


@dataclass(frozen=True)
class Container:
    """An image's docker-archive, and how to start a program in the image."""

    archive: Path
    start: Callable[[Mapping[Path, str]], list[str]]

    def command(self, *arguments: str, mounts: Mapping[Path, str] | None = None) -> list[str]:
        """For subprocess; `mounts` are the machine's folders and where they are seen."""
        return [*self.start(mounts or {}), *arguments]

    def run(
        self, *arguments: str, mounts: Mapping[Path, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run to the end; the network is the machine's."""
        return subprocess.run(
            self.command(*arguments, mounts=mounts),
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )

    def config(self) -> dict[str, Any]:
        """What the image says of how it is started."""
        with tarfile.open(self.archive) as archive:
            (image,) = _read_json(archive, "manifest.json")
            return dict(_read_json(archive, image["Config"])["config"])

    def layers(self) -> Iterator[tarfile.TarFile]:
        """Each layer, from the lowest."""
        with tarfile.open(self.archive) as archive:
            (image,) = _read_json(archive, "manifest.json")
            for layer in image["Layers"]:
                with tarfile.open(fileobj=archive.extractfile(layer)) as opened:
                    yield opened


@contextmanager
def container(archive: Path, reference: str) -> Iterator[Container]:
    """A container of exactly this archive, for as long as the context lasts."""
    if docker.answers():
        subprocess.run(["docker", "load", "-q", "-i", archive], check=True, capture_output=True)
        yield Container(archive, lambda mounts: _docker(reference, mounts))
        return
    command = buildah.command(STORAGE)
    name = f"test-{os.getpid()}-{archive.stem}"
    create = [*command, "from", "-q", "--name", name, f"docker-archive:{archive}"]
    subprocess.run(create, check=True, capture_output=True)
    try:
        yield Container(archive, lambda mounts: _buildah(command, name, mounts))
    finally:
        subprocess.run([*command, "rm", name], check=True, capture_output=True)


def _docker(reference: str, mounts: Mapping[Path, str]) -> list[str]:
    return [
        *("docker", "run", "--rm", "--read-only", "--tmpfs=/tmp", "--network=host"),
        *(f"--user={USER}", "--entrypoint="),
        *(f"--volume={folder}:{seen}" for folder, seen in mounts.items()),
        reference,
    ]


def _buildah(command: list[str], name: str, mounts: Mapping[Path, str]) -> list[str]:
    return [
        *(*command, "run", "--isolation=chroot", f"--user={USER}"),
        *(f"--volume={folder}:{seen}" for folder, seen in mounts.items()),
        *(name, "--"),
    ]


def _read_json(archive: tarfile.TarFile, name: str) -> Any:
    stream = archive.extractfile(name)
    if stream is None:
        raise RuntimeError(f"{name} is no file of the archive")
    return json.load(stream)
