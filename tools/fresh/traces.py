"""The one list of everything that `make demo` or `make test` creates outside of its clone.

`python -m tools.fresh` hides all of it before a run, and fails if a run has created anything else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.install import CACHE, TOOLS, InstalledTool

HOME = Path.home()


@dataclass(frozen=True)
class Trace:
    """A file or folder that a run creates, and what creates it.

    `cache`: its content is keyed by digest or version, so later runs may use it. `large`: it is too
    large for memory, or holds overlays, which the kernel refuses on top of another overlay.
    """

    path: Path
    maker: str
    cache: bool = False
    large: bool = False

    @property
    def on_disk(self) -> bool:
        """Whether it is shown from a folder of its own on a real file system."""
        return self.cache or self.large


TRACES = (
    # Caches: the only traces that make a later run faster.
    Trace(CACHE.parent, "tools built and images made", cache=True),
    Trace(HOME / ".cache/uv", "uv: wheels", cache=True),
    Trace(HOME / ".cache/pip", "pip: wheels", cache=True),
    Trace(HOME / ".cache/go-build", "go: objects", cache=True),
    Trace(HOME / "go", "go: modules", cache=True),
    Trace(HOME / ".m2/repository", "Maven: jars", cache=True),
    Trace(HOME / ".npm", "npm: packages", cache=True),
    # What programs note for themselves.
    Trace(HOME / ".config/go/telemetry", "go"),
    Trace(HOME / ".config/mlflow", "mlflow: telemetry's settings"),
    Trace(HOME / ".config/chromium", "Chromium: a profile"),
    Trace(HOME / ".cache/chromium", "Chromium"),
    Trace(HOME / ".cache/dconf", "Chromium: GTK's settings"),
    Trace(HOME / ".cache/fontconfig", "Chromium: fonts"),
    Trace(HOME / ".keras", "Keras: its settings"),
    Trace(HOME / ".kube", "kubectl: what the API can do"),
    Trace(HOME / ".pulumi", "Pulumi: plugins, credentials"),
    # Clusters and images; a cluster's own files are deleted with it.
    Trace(Path("/etc/cni"), "podman: networks"),
    Trace(Path("/etc/containers"), "podman, buildah: settings"),
    Trace(Path("/run/containers"), "podman: storage in use"),
    Trace(Path("/run/libpod"), "podman: containers in use"),
    Trace(Path("/run/crun"), "crun: containers in use"),
    Trace(Path("/run/runc"), "runc: containers in use"),
    Trace(Path("/run/netns"), "podman: network namespaces"),
    Trace(Path("/run/servestack"), "podman: in which /run its containers are"),
    Trace(Path("/run/xtables.lock"), "iptables"),
    Trace(Path("/var/cache/containers"), "buildah: what it knows of layers"),
    Trace(Path("/var/lib/cni"), "podman: addresses given"),
    Trace(Path("/var/lib/containers"), "podman, buildah: storage", large=True),
    Trace(Path("/var/lib/kubelet"), "a kubelet outside of a node"),
    Trace(Path("/var/lib/filebeat"), "Filebeat: its registry"),
    # What packages' own scripts and other programs write.
    Trace(Path("/var/lib/apt/lists"), "apt-get update"),
    Trace(Path("/tmp"), "temporary files", large=True),
    Trace(Path("/var/tmp"), "buildah: temporary files", large=True),
    Trace(Path("/dev/shm"), "podman's locks, Chromium"),
)


def packages() -> Iterator[str]:
    """The Debian packages that a run installs, without those that these need."""
    for tool in TOOLS.values():
        if isinstance(tool, InstalledTool):
            yield from tool.package.split()
