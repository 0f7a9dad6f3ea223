"""What a cluster of several nodes needs, and kind leaves to Docker and to its own network plugin:
the first node's name, different pod addresses on each node, and the routes between nodes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tools.cluster.podman import nodes, podman

_PODS = "10.244.{}.0/24"
_ALL_PODS = "10.244.0.0/16"


@contextmanager
def joining(name: str, workers: int) -> Iterator[None]:
    """While kind creates a cluster on podman, set its nodes up before the workers join the first.

    Workers look the first node up by its name, and this network has no DNS to resolve it.
    """
    if not workers:
        yield
        return
    is_made = threading.Event()
    thread = threading.Thread(target=_set_up_all, args=(name, workers, is_made))
    thread.start()
    try:
        yield
    finally:
        is_made.set()
        thread.join()


def _set_up_all(name: str, workers: int, is_made: threading.Event) -> None:
    numbers = ("", *range(2, workers + 1))
    names = [f"{name}-control-plane", *(f"{name}-worker{number}" for number in numbers)]
    template = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    while not is_made.wait(1):
        if len(nodes(name)) < len(names):
            continue
        addresses = podman("inspect", *names, f"--format={template}", check=False).stdout.split()
        if len(addresses) == len(names) and all(
            _set_up(node, number, addresses, names[0]) for number, node in enumerate(names)
        ):
            return


def _set_up(node: str, number: int, addresses: list[str], first: str) -> bool:
    """Set one node up. Returns False for a node that is still starting and must be tried again."""
    # Keep the sender's address between pods: NetworkPolicies match on it.
    rule = f"POSTROUTING -s {_ALL_PODS} -d {_ALL_PODS} -j ACCEPT"
    lines = [
        "set -e",
        "pgrep -x containerd >/dev/null",  # what starts before it writes /etc/hosts too
        f"sed -i s,{_PODS.format(0)},{_PODS.format(number)}, /etc/cni/net.d/10-kind.conflist",
        f"grep -q {first} /etc/hosts || echo {addresses[0]} {first} >>/etc/hosts",
        f"iptables -t nat -C {rule} 2>/dev/null || iptables -t nat -I {rule}",
    ]
    for other, address in enumerate(addresses):
        if other != number:
            lines.append(f"ip route replace {_PODS.format(other)} via {address}")
    done = podman("exec", "--privileged", node, "sh", "-c", "\n".join(lines), check=False)
    return done.returncode == 0
