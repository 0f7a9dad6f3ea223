"""The command line of every component of the native cluster, in the order in which they start."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from tools.cluster import containers
from tools.cluster.certificates import write_kubeconfig, write_tokens
from tools.cluster.state import NODE_IP, State, replace_file
from tools.install import install

SERVICE_CIDR = "10.96.0.0/16"
DNS_IP = "10.96.0.10"
PORTS = (
    "etcd", "etcd-peer", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet",
    "kubelet-health", "kube-proxy", "kube-proxy-health", "coredns", "metrics-server", "traefik",
)  # fmt: skip


@dataclass(frozen=True)
class Components:
    """What the components have in common: where they keep things, and where they listen."""

    state: State
    ports: dict[str, int]

    @property
    def server(self) -> str:
        return f"https://{NODE_IP}:{self.ports['kube-apiserver']}"

    def file(self, path: str) -> Path:
        return self.state.folder / path

    def certificate(self, name: str) -> Path:
        return self.file(f"certificates/{name}")

    def write_access(self) -> None:
        """A token and a kubeconfig for each component, and the developer's."""
        users = {
            "admin": ("admin", "system:masters"),
            "kubelet": (f"system:node:{self.state.node_name}", "system:nodes"),
        } | {
            name: (f"system:{name}", "system:authenticated")
            for name in (
                "kube-controller-manager", "kube-scheduler", "kube-proxy", "coredns",
                "metrics-server", "traefik",
            )
        }  # fmt: skip
        tokens = write_tokens(self.file("tokens.csv"), users)
        for component, token in tokens.items():
            write_kubeconfig(
                self.file(f"{component}.kubeconfig"),
                self.state.node_name,
                self.server,
                self.certificate("ca.crt"),
                token,
            )

    def etcd(self) -> list[str | Path]:
        client = f"http://127.0.0.1:{self.ports['etcd']}"
        peer = f"http://127.0.0.1:{self.ports['etcd-peer']}"
        return [
            install("etcd"), f"--data-dir={self.file('etcd')}",
            f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}", "--logger=zap",
            "--unsafe-no-fsync",  # Nothing here is to outlive the machine.
        ]  # fmt: skip

    def containerd(self) -> list[str | Path]:
        return [install("containerd").resolve(), f"--config={containers.write_config(self.state)}"]

    def kube_apiserver(self) -> list[str | Path]:
        key = self.certificate("service-accounts.key")
        return [
            install("kube-apiserver"), f"--etcd-servers=http://127.0.0.1:{self.ports['etcd']}",
            # On the node's address, not on 127.0.0.1, so that pods reach it too.
            f"--bind-address={NODE_IP}", f"--advertise-address={NODE_IP}",
            f"--secure-port={self.ports['kube-apiserver']}",
            f"--tls-cert-file={self.certificate('apiserver.crt')}",
            f"--tls-private-key-file={self.certificate('apiserver.key')}",
            f"--client-ca-file={self.certificate('ca.crt')}",
            f"--token-auth-file={self.file('tokens.csv')}", "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
            f"--service-cluster-ip-range={SERVICE_CIDR}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}",
            f"--kubelet-client-certificate={self.certificate('kubelet-client.crt')}",
            f"--kubelet-client-key={self.certificate('kubelet-client.key')}",
            f"--kubelet-certificate-authority={self.certificate('ca.crt')}",
            # The node's name resolves nowhere: exec, logs and port-forward need the address.
            "--kubelet-preferred-address-types=InternalIP",
            f"--requestheader-client-ca-file={self.certificate('front-proxy-ca.crt')}",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            # Straight to metrics-server: its Service's address leads anywhere before kube-proxy acts,
            # and the connection would be kept.
            "--enable-aggregator-routing=true",
            f"--proxy-client-cert-file={self.certificate('front-proxy-client.crt')}",
            f"--proxy-client-key-file={self.certificate('front-proxy-client.key')}",
        ]  # fmt: skip

    def kube_controller_manager(self) -> list[str | Path]:
        return [
            *self._controller("kube-controller-manager"), "--use-service-account-credentials=true",
            f"--service-account-private-key-file={self.certificate('service-accounts.key')}",
            f"--root-ca-file={self.certificate('ca.crt')}",
            f"--flex-volume-plugin-dir={self.file('kubelet/plugins-of-volumes')}",
        ]  # fmt: skip

    def kube_scheduler(self) -> list[str | Path]:
        return self._controller("kube-scheduler")

    def kubelet(self) -> list[str | Path]:
        config = {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": NODE_IP,
            "port": self.ports["kubelet"],
            "healthzPort": self.ports["kubelet-health"],
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(self.certificate("ca.crt"))},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(self.certificate("kubelet.crt")),
            "tlsPrivateKeyFile": str(self.certificate("kubelet.key")),
            "containerRuntimeEndpoint": f"unix://{self.state.containerd_socket}",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self.state.cgroup}",
            "failCgroupV1": False,
            "failSwapOn": False,
            "oomScoreAdj": 0,
            "clusterDomain": "cluster.local",
            "clusterDNS": [DNS_IP],
            "volumePluginDir": str(self.file("kubelet/plugins-of-volumes")),
            # The disk is the developer's: a fairly full one is no reason to evict.
            "evictionHard": {
                "memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%",
                "nodefs.inodesFree": "1%",
            },
            "imageGCHighThresholdPercent": 100,
        }  # fmt: skip
        return [
            install("kubelet"), f"--config={self._write('kubelet.yaml', config)}",
            f"--root-dir={self.file('kubelet')}", f"--cert-dir={self.file('kubelet/pki')}",
            f"--kubeconfig={self.file('kubelet.kubeconfig')}", f"--node-ip={NODE_IP}",
            f"--hostname-override={self.state.node_name}",
        ]  # fmt: skip

    def kube_proxy(self) -> list[str | Path]:
        config = {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": str(self.file("kube-proxy.kubeconfig"))},
            "mode": "iptables",
            "clusterCIDR": containers.POD_CIDR,
            "hostnameOverride": self.state.node_name,
            "nodePortAddresses": ["127.0.0.0/8", f"{NODE_IP}/32"],
            "healthzBindAddress": f"127.0.0.1:{self.ports['kube-proxy-health']}",
            "metricsBindAddress": f"127.0.0.1:{self.ports['kube-proxy']}",
            "oomScoreAdj": 0,
            # The machine's connection tracking stays as it is.
            "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        }  # fmt: skip
        return [install("kube-proxy"), f"--config={self._write('kube-proxy.yaml', config)}"]

    def coredns(self) -> list[str | Path]:
        upstream = Path("/etc/resolv.conf")
        forward = "forward . /etc/resolv.conf" if "nameserver" in upstream.read_text() else ""
        corefile = f""".:{self.ports["coredns"]} {{
    bind {NODE_IP}
    errors
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {self.file("coredns.kubeconfig")}
        ttl 5
    }}
    {forward}
    cache 5
}}
"""
        replace_file(self.file("Corefile"), corefile)
        return [install("coredns"), f"-conf={self.file('Corefile')}"]

    def metrics_server(self) -> list[str | Path]:
        kubeconfig = self.file("metrics-server.kubeconfig")
        return [
            install("metrics-server"), f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}", f"--authorization-kubeconfig={kubeconfig}",
            f"--bind-address={NODE_IP}", f"--secure-port={self.ports['metrics-server']}",
            f"--tls-cert-file={self.certificate('metrics-server.crt')}",
            f"--tls-private-key-file={self.certificate('metrics-server.key')}",
            f"--kubelet-certificate-authority={self.certificate('ca.crt')}",
            "--kubelet-preferred-address-types=InternalIP", "--metric-resolution=10s", "--kubelet-request-timeout=5s",
            "--kubelet-use-node-status-port",
        ]  # fmt: skip

    def traefik(self) -> list[str | Path]:
        return [
            Path(sys.executable).parent / "traefik",
            f"--entrypoints.web.address=127.0.0.1:{self.ports['traefik']}",
            "--providers.kubernetesingress=true", "--providers.kubernetesingress.ingressclass=traefik",
            "--providers.kubernetesingress.ingressendpoint.ip=127.0.0.1",
            "--global.checknewversion=false", "--global.sendanonymoususage=false", "--log.level=INFO",
        ]  # fmt: skip

    def _controller(self, name: str) -> list[str | Path]:
        kubeconfig = self.file(f"{name}.kubeconfig")
        return [
            install(name), f"--kubeconfig={kubeconfig}", "--leader-elect=false",
            f"--authentication-kubeconfig={kubeconfig}", f"--authorization-kubeconfig={kubeconfig}",
            "--bind-address=127.0.0.1", f"--secure-port={self.ports[name]}",
            f"--cert-dir={self.file(f'certificates/{name}')}",
        ]  # fmt: skip

    def _write(self, name: str, config: dict[str, object]) -> Path:
        replace_file(self.file(name), yaml.safe_dump(config))
        return self.file(name)
