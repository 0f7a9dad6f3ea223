"""Builds or unpacks the pinned tools that tests need, into a cache keyed by their pins.

    python -m tools.install                     all of them
    python -m tools.install kube-apiserver etcd these
    python -m tools.install --print-path etcd   install and print the program's path

Go programs are built from the go.mod files below this folder, jars are fetched with a pom.xml, and
programs for Node with a package-lock.json.
Debian programs are unpacked from their packages without being installed, so nothing needs root and
nothing is started. Programs that need too much around them to be unpacked (a browser, Java) are
taken from PATH, or root installs them. The cache is $SERVESTACK_CACHE, or servestack below
$XDG_CACHE_HOME (default ~/.cache). A second run at the same time waits for the first.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tools.locking import exclusive

HERE = Path(__file__).parent
_USER_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
CACHE = Path(os.environ.get("SERVESTACK_CACHE") or _USER_CACHE / "servestack") / "tools"


@dataclass(frozen=True)
class GoTool:
    """A program built from a module folder, with `tags` separated by commas.

    `version_variable` is set to `version` by the linker. With `on_demand` only what runs it asks for
    it: no test that CI runs does.
    """

    name: str
    module: str
    package: str
    version_variable: str = ""
    version: str = ""
    tags: str = ""
    on_demand: bool = False

    def key(self) -> str:
        folder = HERE / self.module
        files = [folder / "go.mod", folder / "go.sum", *sorted(folder.glob("*.go"))]
        parts = [file.read_bytes() for file in files]
        parts += [self.package.encode(), self.version.encode(), _go_version()]
        return _digest(*parts, *([self.tags.encode()] if self.tags else []))

    def build(self, target: Path) -> None:
        flags = "-s -w"
        if self.version_variable:
            flags += f" -X {self.version_variable}={self.version}"
        _run(
            [
                "go",
                "build",
                "-trimpath",
                f"-tags={self.tags}",
                "-ldflags",
                flags,
                "-o",
                str(target / self.name),
                self.package,
            ],
            HERE / self.module,
        )


@dataclass(frozen=True)
class DebianTool:
    """A program or folder of a Debian package, found at `path` below the unpacked root.

    `libraries` are the packages of shared libraries that a bare Debian does not have.
    """

    name: str
    package: str
    path: str
    libraries: tuple[str, ...] = ()

    def key(self) -> str:
        release = Path("/etc/debian_version")
        packages = " ".join((self.package, *self.libraries))
        return _digest(packages.encode(), release.read_bytes() if release.exists() else b"")

    def build(self, target: Path) -> None:
        found = shutil.which(self.name)
        if found is not None:
            (target / self.name).symlink_to(found)
            return
        if shutil.which("apt-get") is None:
            raise SystemExit(
                f"{self.name}: not on PATH, and there is no apt-get to download it with"
            )
        with tempfile.TemporaryDirectory() as folder:
            download = ["apt-get", "download", "-q", self.package, *self.libraries]
            try:
                _run(download, Path(folder))
            except subprocess.CalledProcessError:
                _run(["apt-get", "update", "-q"], Path(folder))
                _run(download, Path(folder))
            for package in sorted(Path(folder).glob("*.deb")):
                _run(["dpkg-deb", "-x", str(package), str(target / "root")], Path(folder))
        if self.libraries:
            (target / self.name).write_text(_WRAPPER.format(path=self.path))
            (target / self.name).chmod(0o755)
        else:
            (target / self.name).symlink_to(Path("root") / self.path)


_WRAPPER = """#!/bin/sh
root=$(dirname "$(readlink -f "$0")")/root
export LD_LIBRARY_PATH="$(echo "$root"/usr/lib/*-linux-gnu*)"
exec "$root/{path}" "$@"
"""


class UnavailableError(SystemExit):
    """This user cannot install the tool here; what needs it can be skipped."""


@dataclass(frozen=True)
class InstalledTool:
    """A program with too many libraries to be unpacked alone: on PATH, else installed by root.

    `package` may name several packages, separated by spaces; `needs` are further files of theirs.
    With `on_demand` only what builds something else asks for it.
    """

    name: str
    package: str
    needs: tuple[str, ...] = ()
    on_demand: bool = False

    def key(self) -> str:
        return _digest(self.package.encode())

    def is_missing(self) -> bool:
        """Whether the program or one of its files is not on this machine."""
        found = shutil.which(self.name) is not None
        return not found or not all(Path(file).exists() for file in self.needs)

    def build(self, target: Path) -> None:
        if self.is_missing():
            if not _can_install():
                raise UnavailableError(
                    f"{self.name}: not on PATH; run apt-get install {self.package}"
                )
            _apt_install(self.package.split())
        found = shutil.which(self.name)
        if found is None:
            raise SystemExit(f"{self.name}: the package {self.package} does not contain it")
        # The link to a program that was removed later counts as missing: a kept cache does no harm.
        (target / self.name).symlink_to(found)


def _can_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _apt_install(packages: list[str]) -> None:
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    command = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages]
    try:
        _run(command, HERE)
    except subprocess.CalledProcessError:
        _run(["apt-get", "update", "-q"], HERE)
        _run(command, HERE)


def _apt_install_missing(names: list[str]) -> None:
    """Install the packages of several tools by one call, which takes apt half the time."""
    tools = [tool for name in names if isinstance(tool := TOOLS[name], InstalledTool)]
    packages = [tool.package for tool in tools if tool.is_missing()]
    if packages and _can_install():
        try:
            _apt_install(" ".join(packages).split())
        except subprocess.CalledProcessError:
            return  # Each tool tries alone, and says what it lacks.


@dataclass(frozen=True)
class MavenTool:
    """A folder of jars: those that a module folder's pom.xml names, with their dependencies."""

    name: str
    module: str

    def key(self) -> str:
        return _digest((HERE / self.module / "pom.xml").read_bytes())

    def build(self, target: Path) -> None:
        install("mvn")
        command = ["mvn", "-q", "-B", "-ntp", "-Dstyle.color=never", "dependency:copy-dependencies"]
        command += ["-DincludeScope=runtime", f"-DoutputDirectory={target / self.name}"]
        _run(command, HERE / self.module)


@dataclass(frozen=True)
class NpmTool:
    """A program for Node: one of those that a module folder's packages bring.

    Their install scripts are not run, so nothing is compiled and nothing else is downloaded.
    """

    name: str
    module: str

    def key(self) -> str:
        folder = HERE / self.module
        return _digest(*(folder.joinpath(f).read_bytes() for f in ("package.json", _NPM_LOCK)))

    def build(self, target: Path) -> None:
        install("npm")
        for file in ("package.json", _NPM_LOCK):
            shutil.copy(HERE / self.module / file, target)
        options = ["--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        _run(["npm", "ci", *options], target)
        (target / self.name).symlink_to(Path("node_modules/.bin") / self.name)


_NPM_LOCK = "package-lock.json"
_PROMETHEUS = "github.com/prometheus"

Tool = GoTool | DebianTool | InstalledTool | MavenTool | NpmTool

_ALL: tuple[Tool, ...] = (
    *(
        GoTool(
            name,
            "kubernetes",
            f"k8s.io/kubernetes/cmd/{name}",
            "k8s.io/component-base/version.gitVersion",
            "v1.34.4",
        )
        for name in (
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "kubelet",
            "kube-proxy",
            "kubeadm",
            "kubectl",
        )
    ),
    GoTool(
        "kube-router", "kubernetes", "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"
    ),
    GoTool("metrics-server", "metrics-server", "sigs.k8s.io/metrics-server/cmd/metrics-server"),
    GoTool(
        "prometheus-adapter", "prometheus-adapter", "sigs.k8s.io/prometheus-adapter/cmd/adapter"
    ),
    # For `make bench-scaling` alone: they take six minutes of two cores.
    *(
        GoTool(name, "keda", f"github.com/kedacore/keda/v2/cmd/{program}", on_demand=True)
        for name, program in (("keda", "operator"), ("keda-adapter", "adapter"))
    ),
    GoTool(
        "rollouts-controller",
        "argo-rollouts",
        "github.com/argoproj/argo-rollouts/cmd/rollouts-controller",
    ),
    # For tests/real/test_argocd.py with ARGOCD=1 alone: it takes minutes of two cores.
    GoTool(
        "argocd",
        "argocd",
        ".",
        "github.com/argoproj/argo-cd/v3/common.version",
        "3.2.0",
        on_demand=True,
    ),
    GoTool("coredns", "kubernetes", "github.com/coredns/coredns"),
    *(
        GoTool(
            name,
            module,
            package,
            "github.com/prometheus/common/version.Version",
            version,
            # All other kinds of discovery are clients of clouds.
            tags="remove_all_sd,enable_kubernetes_sd",
        )
        for name, module, package, version in (
            ("prometheus", "kubernetes", f"{_PROMETHEUS}/prometheus/cmd/prometheus", "3.13.0"),
            ("promtool-3", "promtool", f"{_PROMETHEUS}/prometheus/cmd/promtool", "3.13.0"),
            (
                "prometheus-operator",
                "prometheus-operator",
                f"{_PROMETHEUS}-operator/prometheus-operator/cmd/operator",
                "0.87.1",
            ),
            (
                "prometheus-config-reloader",
                "prometheus-operator",
                f"{_PROMETHEUS}-operator/prometheus-operator/cmd/prometheus-config-reloader",
                "0.87.1",
            ),
            (
                "alertmanager",
                "prometheus-operator",
                f"{_PROMETHEUS}/alertmanager/cmd/alertmanager",
                "0.29.0",
            ),
            ("amtool", "prometheus-operator", f"{_PROMETHEUS}/alertmanager/cmd/amtool", "0.29.0"),
        )
    ),
    GoTool("etcd-3.6", "etcd", "go.etcd.io/etcd/server/v3"),
    GoTool("pause", "pause", "."),
    GoTool(
        "pulumi",
        "pulumi",
        "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
        "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version",
        "v3.250.0",
    ),
    GoTool("filebeat", "filebeat", "github.com/elastic/beats/v7/filebeat"),
    DebianTool("etcd", "etcd-server", "usr/bin/etcd"),
    DebianTool("busybox-dynamic", "busybox", "bin/busybox"),
    InstalledTool("iptables", "iptables"),
    DebianTool(
        "redis-server",
        "redis-server",
        "usr/bin/redis-server",
        libraries=("redis-tools", "libjemalloc2", "liblzf1", "libatomic1"),
    ),
    DebianTool("promtool", "prometheus", "usr/bin/promtool"),
    GoTool("kind", "kind", "sigs.k8s.io/kind"),
    GoTool("actionlint", "actionlint", "github.com/rhysd/actionlint/cmd/actionlint"),
    InstalledTool("chromium", "chromium"),
    InstalledTool("buildah", "buildah"),
    InstalledTool("debootstrap", "debootstrap", on_demand=True),
    InstalledTool(
        "podman",
        "podman netavark aardvark-dns runc",
        needs=("/usr/lib/podman/netavark", "/usr/sbin/runc"),
    ),
    InstalledTool("java", "default-jre-headless"),
    InstalledTool("mvn", "maven", on_demand=True),
    MavenTool("kafka", "kafka"),
    InstalledTool("npm", "npm", on_demand=True),
    NpmTool("azurite-blob", "azurite"),
    DebianTool("wrk", "wrk", "usr/bin/wrk", libraries=("libluajit-5.1-2",)),
)
TOOLS = {tool.name: tool for tool in _ALL}


def main(arguments: list[str]) -> int:
    print_path = "--print-path" in arguments
    names = [argument for argument in arguments if not argument.startswith("-")]
    names = names or [tool.name for tool in _ALL if not getattr(tool, "on_demand", False)]
    unknown = [name for name in names if name not in TOOLS]
    if unknown:
        print(f"there is no tool {unknown[0]!r}; the tools are {', '.join(TOOLS)}", file=sys.stderr)
        return 1
    _apt_install_missing(names)
    for name in names:
        try:
            path = install(name)
        except UnavailableError as error:
            if name in arguments:
                raise
            print(f"{error}; until then, what needs it is skipped", file=sys.stderr)
            continue
        if print_path:
            print(path)
    return 0


def install(name: str) -> Path:
    """The program's path. Builds it first if the cache does not hold it."""
    tool = TOOLS[name]
    folder = CACHE / f"{name}-{tool.key()}"
    if not (folder / name).exists():
        said = partial(print, f"{name}: waiting for another run that builds it …", file=sys.stderr)
        with exclusive(CACHE / f".{name}.lock", on_wait=said):
            if not (folder / name).exists():
                _build(tool, folder)
    return folder / name


def module_folder(folder: str, module: str) -> Path:
    """Where the source of a pinned module lies, which is downloaded if it is not there yet.

    `folder` is the one here whose go.mod pins it.
    """
    done = subprocess.run(
        ["go", "mod", "download", "-json", module],
        cwd=HERE / folder, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return Path(json.loads(done.stdout)["Dir"])


def _build(tool: Tool, folder: Path) -> None:
    print(f"{tool.name}: building, this happens once …", file=sys.stderr, flush=True)
    started = time.monotonic()
    prefix = f".{tool.name}~"  # One tool's name may begin another's: etcd and etcd-3.6.
    for abandoned in CACHE.glob(f"{prefix}*"):
        shutil.rmtree(abandoned)  # of a run that was killed: the lock is ours
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=prefix) as temporary:
        target = Path(temporary) / "out"
        target.mkdir()
        try:
            tool.build(target)
        except FileNotFoundError as error:
            raise SystemExit(f"{tool.name}: {error.filename} is not installed") from None
        except subprocess.CalledProcessError as error:
            raise SystemExit(f"{tool.name}: {' '.join(error.cmd[:3])} failed") from None
        shutil.rmtree(folder, ignore_errors=True)
        target.rename(folder)
    print(f"{tool.name}: built in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


def _run(command: list[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, stdout=sys.stderr)


def _go_version() -> bytes:
    try:
        return subprocess.run(["go", "env", "GOVERSION"], check=True, capture_output=True).stdout
    except FileNotFoundError:
        raise SystemExit("go is not installed: the test tools are built from source") from None


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
