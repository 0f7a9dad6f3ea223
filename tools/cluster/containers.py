"""containerd of a cluster: its own root, state, socket and network, never the system's."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tools.cluster import processes
from tools.cluster.scratch_image import write_image
from tools.cluster.state import ClusterError, State
from tools.install import install

BRIDGE = "servestack0"
POD_CIDR = "10.244.0.0/24"
_PAUSE_IMAGE = "localhost/servestack/pause:1"


def write_config(state: State) -> Path:
    """containerd's configuration, and below cni/ the network of the pods."""
    _write_network(state.folder / "cni")
    folder = state.folder / "containerd"
    folder.mkdir(exist_ok=True)
    config = folder / "config.toml"
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    config.write_text(f"""version = 2
root = "{folder}/root"
state = "{folder}/state"
[grpc]
  address = "{state.containerd_socket}"
[{cri}]
  sandbox_image = "{_PAUSE_IMAGE}"
  # Without the capability SYS_RESOURCE a container cannot be less killable than its parent.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
[{cri}.containerd]
  snapshotter = "overlayfs"
[{cri}.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[{cri}.containerd.runtimes.runc.options]
  BinaryName = "{install("runc").resolve()}"
  Root = "{folder}/runc"
[{cri}.cni]
  bin_dir = "{install("cni-plugins").resolve()}"
  conf_dir = "{state.folder}/cni"
""")
    return config


def _write_network(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    network = {
        "cniVersion": "0.4.0",
        "name": "servestack",
        "plugins": [
            {
                "type": "bridge",
                "bridge": BRIDGE,
                "isGateway": True,
                "ipMasq": True,
                "hairpinMode": True,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": POD_CIDR}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                    "dataDir": str(folder / "addresses"),
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
            # Where Docker lets nothing be forwarded, what goes to and from pods is let through.
            {"type": "firewall", "backend": "iptables"},
        ],
    }
    (folder / "10-servestack.conflist").write_text(json.dumps(network, indent=1))


def load_pause_image(state: State) -> None:
    archive = state.folder / "containerd" / "pause.tar"
    write_image(archive, _PAUSE_IMAGE, {"/pause": install("pause")}, ["/pause"])
    load_image(state, archive)


def load_image(state: State, archive: Path) -> None:
    """Import a docker-archive where the kubelet looks for images."""
    done = _ctr(state, "images", "import", str(archive.resolve()))
    if done.returncode != 0:
        raise ClusterError(f"{archive} cannot be imported: {done.stderr.strip()}")


def is_serving(state: State) -> bool:
    return state.containerd_socket.exists() and _ctr(state, "version").returncode == 0


def _ctr(state: State, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = install("containerd").resolve().parent / "ctr"
    command = [str(program), f"--address={state.containerd_socket}", "--namespace=k8s.io"]
    return processes.run(state, [*command, *arguments])
