"""Images for a node's containerd as docker-archives, from programs and a node's root folder."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from tools.cluster.scratch_image import architecture

_ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    # A control plane collects garbage for a fifth of its CPU; memory is not what these machines lack.
    "GOGC=300",
)
_FOLDERS = ("usr", "usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "usr/local", "usr/local/bin",
            "etc", "run", "var", "var/lib")  # fmt: skip
_C_LIBRARY = (
    "libc.so.6",
    "libpthread.so.0",
    "libresolv.so.2",
    "libnss_files.so.2",
    "libnss_dns.so.2",
)


class Layer:
    """One layer, written to a file beside the archive: programs of several 100 MB are in some."""

    def __init__(self, archive: Path, root: Path) -> None:
        self._archive = archive
        self._root = root
        self._file = archive.with_suffix(".layer")
        self._tar = tarfile.open(self._file, "w")  # noqa: SIM115  closed by write()

    def add_program(self, name: str, program: Path) -> None:
        self._add_file(f"usr/local/bin/{name}", program)

    def add_programs(self, programs: Iterable[Path]) -> None:
        for program in programs:
            self.add_program(program.name, program)

    def add_system(self, programs: Sequence[str] = ()) -> None:
        """A merged /usr with the C library, and programs of the root with the libraries they need."""
        for folder in _FOLDERS:
            self._add_folder(folder)
        self._add_folder("tmp", 0o1777)
        for link in ("bin", "sbin", "lib", "lib64"):
            self._add_link(link, f"usr/{link}")
        (libc,) = self._root.glob("usr/lib/*-linux-gnu/libc.so.6")
        libraries = {f"/{(libc.parent / name).relative_to(self._root)}" for name in _C_LIBRARY}
        libraries |= {
            f"/{path.relative_to(self._root)}" for path in self._root.glob("usr/lib*/ld-linux*")
        }
        if programs:
            shown = subprocess.run(
                ["chroot", self._root, "ldd", *programs],
                capture_output=True,
                text=True,
                check=False,
            )
            libraries |= set(re.findall(r"(/\S+) \(0x", shown.stdout))
        for name in sorted({_merged(name) for name in {*programs, *libraries}}):
            if (self._root / name).exists():
                self._add_file(name, (self._root / name).resolve())
        self._add_text("etc/passwd", "root:x:0:0:root:/:/bin/false\n")
        self._add_text("etc/group", "root:x:0:\n")
        self._add_text("etc/nsswitch.conf", "hosts: files dns\n")

    def add_iptables(self, *programs: str) -> None:
        """The legacy one, which kind's entrypoint chooses where a network namespace has no rules yet."""
        plugins = [
            f"/{file.relative_to(self._root)}" for file in self._root.glob("usr/lib/*/xtables/*")
        ]
        self.add_system(
            ["/usr/sbin/xtables-legacy-multi", "/usr/sbin/conntrack", "/usr/bin/kmod", "/usr/bin/bash",
             *programs, *plugins]
        )  # fmt: skip
        for family in ("iptables", "ip6tables"):
            for suffix in ("", "-save", "-restore"):
                self._add_link(f"usr/sbin/{family}{suffix}", "xtables-legacy-multi")
        self._add_link("usr/sbin/modprobe", "/usr/bin/kmod")
        self._add_link("usr/bin/sh", "bash")

    def write(self, names: Sequence[str], entrypoint: str = "") -> None:
        """Close the layer and write the archive, under all these names."""
        self._tar.close()
        with self._file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        settings: dict[str, object] = {"Env": list(_ENVIRONMENT), "WorkingDir": "/"}
        if entrypoint:
            settings["Entrypoint"] = [entrypoint]
        config = {
            "architecture": architecture(),
            "os": "linux",
            "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
            "history": [{"created_by": "tools.cluster"}],
        }
        manifest = [{"Config": "config.json", "RepoTags": list(names), "Layers": ["layer.tar"]}]
        with tarfile.open(self._archive, "w") as tar:
            tar.add(self._file, "layer.tar")
            for name, content in (("config.json", config), ("manifest.json", manifest)):
                _add_bytes(tar, name, json.dumps(content).encode(), 0o644)
        self._file.unlink()

    def _add_folder(self, name: str, mode: int = 0o755) -> None:
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode = tarfile.DIRTYPE, mode
        self._tar.addfile(entry)

    def _add_link(self, name: str, target: str) -> None:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = tarfile.SYMTYPE, target
        self._tar.addfile(entry)

    def _add_file(self, name: str, file: Path) -> None:
        entry = tarfile.TarInfo(name)
        entry.mode, entry.size = 0o755, file.stat().st_size
        with file.open("rb") as stream:
            self._tar.addfile(entry, stream)

    def _add_text(self, name: str, text: str) -> None:
        _add_bytes(self._tar, name, text.encode(), 0o644)


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.size = mode, len(content)
    tar.addfile(entry, io.BytesIO(content))


def _merged(name: str) -> str:
    """A path with /lib and others where they are links to: below usr."""
    return name.lstrip("/") if name.startswith("/usr/") else f"usr{name}"
