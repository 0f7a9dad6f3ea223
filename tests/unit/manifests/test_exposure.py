"""How a model is reached from outside, and what its pods may reach."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from servestack.manifests.access import build_network_policy, build_solver_network_policy
from servestack.manifests.network import build_http_route, build_ingress
from servestack.manifests.server_settings import server_settings
from tests.support.services import NULL, resolved

SEVERAL = {"hosts": ["a.example.com", "b.example.com"]}
GATEWAY = {
    "kind": "gateway", "name": "public", "namespace": "gateways", "hostSuffix": "example.com",
}  # fmt: skip
ISSUER = {"issuer": {"name": "letsencrypt"}}


def ingress(folder: Path, spec: dict[str, Any], environment: dict[str, Any] | None = None) -> Any:
    """The Ingress of a model with this `ingress`, in an environment with this one."""
    return build_ingress(resolved(folder, {"ingress": spec}, {"ingress": environment or {}}))


def hosts_and_paths(body: Any) -> list[tuple[str, list[str]]]:
    return [
        (rule["host"], [path["path"] for path in rule["http"]["paths"]])
        for rule in body["spec"]["rules"]
    ]


def egress(folder: Path, spec: dict[str, Any], network: dict[str, Any]) -> list[dict[str, Any]]:
    policy = build_network_policy(resolved(folder, spec, {"network": network}))
    assert policy is not None
    rules: list[dict[str, Any]] = policy["spec"]["egress"]
    return rules


def test_several_hosts(tmp_path: Path) -> None:
    """Each host has the public paths, and one certificate covers them all."""
    body = ingress(tmp_path, {**SEVERAL, "tls": {"secret": "iris-tls"}})
    paths = ["/v1/iris", "/v2/models/iris"]
    assert hosts_and_paths(body) == [("a.example.com", paths), ("b.example.com", paths)]
    assert body["spec"]["tls"] == [{"hosts": SEVERAL["hosts"], "secretName": "iris-tls"}]


def test_one_host_is_what_it_was(tmp_path: Path) -> None:
    for number, (spec, host) in enumerate(
        [({}, "iris.example.com"), ({"host": "a.example.com"}, "a.example.com")]
    ):
        service = resolved(tmp_path / str(number), {"ingress": spec})
        assert service.hosts == (host,)
        assert service.url == f"http://{host}/v1/iris"


def test_a_host_may_have_a_certificate_of_its_own(tmp_path: Path) -> None:
    own = {"host": "iris.example.org", "tls": {"secret": "org-tls"}}
    body = ingress(tmp_path, {"hosts": ["a.example.com", own]}, {"tls": {"secret": "shared"}})
    assert body["spec"]["tls"] == [
        {"hosts": ["a.example.com"], "secretName": "shared"},
        {"hosts": ["iris.example.org"], "secretName": "org-tls"},
    ]


def test_only_hosts_with_a_certificate_answer_over_tls(tmp_path: Path) -> None:
    own = {"host": "b.example.com", "tls": {"secret": "b-tls"}}
    service = resolved(tmp_path, {"ingress": {"hosts": ["a.example.com", own]}})
    body = build_ingress(service)
    assert body is not None
    assert body["spec"]["tls"] == [{"hosts": ["b.example.com"], "secretName": "b-tls"}]
    assert service.url == "http://a.example.com/v1/iris"


def test_a_wildcard_is_a_host_but_no_address(tmp_path: Path) -> None:
    service = resolved(tmp_path / "alone", {"ingress": {"hosts": ["*.example.com"]}})
    body = build_ingress(service)
    assert body is not None
    assert hosts_and_paths(body)[0][0] == "*.example.com"
    assert service.url == "http://iris.example.com/v1/iris"
    both = {"ingress": {"hosts": ["*.example.com", "a.example.org"]}}
    assert resolved(tmp_path / "both", both).url == "http://a.example.org/v1/iris"


@pytest.mark.parametrize(
    ("issuer", "annotation"),
    [
        ({"name": "letsencrypt"}, "cert-manager.io/cluster-issuer"),
        ({"name": "letsencrypt", "kind": "Issuer"}, "cert-manager.io/issuer"),
    ],
)
def test_an_issuer_makes_the_certificate(
    tmp_path: Path, issuer: dict[str, Any], annotation: str
) -> None:
    """In a Secret of the model's own: cert-manager refuses one that two Ingresses share."""
    tls = {"tls": {"issuer": issuer}}
    cases: list[tuple[dict[str, Any], dict[str, Any]]] = [({**SEVERAL, **tls}, {}), (SEVERAL, tls)]
    for number, (of_model, of_environment) in enumerate(cases):
        body = ingress(tmp_path / str(number), of_model, of_environment)
        assert body["metadata"]["annotations"] == {annotation: "letsencrypt"}
        assert body["spec"]["tls"] == [{"hosts": SEVERAL["hosts"], "secretName": "iris-tls"}]


def test_a_certificate_of_the_model_needs_no_issuer(tmp_path: Path) -> None:
    body = ingress(tmp_path, {"tls": {"secret": "bought"}}, {"tls": ISSUER})
    assert "annotations" not in body["metadata"]
    assert body["spec"]["tls"][0]["secretName"] == "bought"


def test_the_issuers_challenge_gets_through(tmp_path: Path) -> None:
    """Its pods run in the models' namespace, where the default is that nobody is reached."""
    policy = build_solver_network_policy(resolved(tmp_path / "a", {"ingress": {"tls": ISSUER}}))
    assert policy is not None
    assert policy["spec"]["ingress"] == [
        {
            "from": [
                {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "traefik"}}}
            ],
            "ports": [{"protocol": "TCP", "port": 8089}],
        }
    ]
    without: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({}, {}),
        ({"ingress": {"tls": {"secret": "bought"}}}, {}),
        ({"ingress": {"tls": ISSUER}}, {"network": {"policy": False}}),
        ({"ingress": {"enabled": False}}, {"ingress": {"tls": ISSUER}}),
    ]
    for number, (spec, environment) in enumerate(without):
        service = resolved(tmp_path / f"none-{number}", spec, environment)
        assert build_solver_network_policy(service) is None


def test_a_gateway_takes_all_hosts_and_no_certificate(tmp_path: Path) -> None:
    spec = {"ingress": {**SEVERAL, "tls": {"secret": "iris-tls"}}}
    service = resolved(tmp_path, spec, {"ingress": GATEWAY})
    route = build_http_route(service)
    assert route is not None
    assert route["spec"]["hostnames"] == SEVERAL["hosts"]
    assert service.url == "http://a.example.com/v1/iris"


@pytest.mark.parametrize("way_in", [{}, GATEWAY], ids=["ingress", "gateway"])
def test_the_path_prefix_reaches_the_server(tmp_path: Path, way_in: dict[str, Any]) -> None:
    """Nothing between the caller and the server rewrites: the server knows the prefix."""
    environment = {"ingress": {**way_in, "pathPrefix": "/ml"}}
    service = resolved(tmp_path / "environment", {}, environment)
    assert service.url == "http://iris.example.com/ml/v1/iris"
    assert server_settings(service).path_prefix == "/ml"
    paths = ["/ml/v1/iris", "/ml/v2/models/iris"]
    if way_in:
        route = build_http_route(service)
        assert route is not None
        matches = route["spec"]["rules"][0]["matches"]
        assert [match["path"]["value"] for match in matches] == paths
    else:
        assert hosts_and_paths(build_ingress(service)) == [("iris.example.com", paths)]
    own = resolved(tmp_path / "spec", {"ingress": {"pathPrefix": "/team-a"}}, environment)
    assert own.url == "http://iris.example.com/team-a/v1/iris"
    inside = resolved(tmp_path / "inside", {"ingress": {"enabled": False}}, environment)
    assert inside.url == "http://iris.models.svc/v1/iris"
    assert server_settings(inside).path_prefix is None


def test_dns_elsewhere(tmp_path: Path) -> None:
    """A cache on each node has a link-local address, which `anywhere` leaves out."""
    cache = {"dns": {"cidrs": ["169.254.20.10/32"]}, "artifactStore": {"namespace": None}}
    rules = egress(tmp_path, {}, cache)
    assert rules[0] == {
        "to": [
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}},
            {"ipBlock": {"cidr": "169.254.20.10/32"}},
        ],
        "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
    }
    anywhere = next(peer for peer in rules[1]["to"] if "ipBlock" in peer)
    assert anywhere["ipBlock"] == {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}


def test_dns_of_another_namespace_and_port(tmp_path: Path) -> None:
    """OpenShift's DNS pods listen on 5353; `dnsNamespace` is the older name."""
    dns = {"dns": {"namespace": "openshift-dns", "ports": [5353]}}
    (rule, *_) = egress(tmp_path / "a", {}, dns)
    assert [port["port"] for port in rule["ports"]] == [5353, 5353]
    (older, *_) = egress(tmp_path / "b", {}, {"dnsNamespace": "openshift-dns"})
    assert older["to"] == rule["to"]
    only_cidrs = {"dns": {"namespace": NULL, "cidrs": ["10.0.0.10/32"]}}
    (outside, *_) = egress(tmp_path / "c", {}, only_cidrs)
    assert outside["to"] == [{"ipBlock": {"cidr": "10.0.0.10/32"}}]


@pytest.mark.parametrize(
    ("cidr", "left_out"),
    [
        ("0.0.0.0/0", ["169.254.0.0/16"]),
        ("168.0.0.0/6", ["169.254.0.0/16"]),
        ("::/0", ["fe80::/10", "fd00:ec2::254/128"]),
        ("10.0.0.0/8", None),
        ("169.254.0.0/16", None),
        ("169.254.170.23/32", None),
    ],
)
def test_a_wide_range_leaves_the_nodes_credentials_out(
    tmp_path: Path, cidr: str, left_out: list[str] | None
) -> None:
    """Who needs a link-local address, such as that of EKS Pod Identity, names it."""
    peer = {"ipBlock": {"cidr": cidr} | ({"except": left_out} if left_out else {})}
    own = egress(tmp_path / "own", {"egress": [{"cidr": cidr, "ports": [80]}]}, {})
    assert own[-1]["to"] == [peer]
    store = egress(tmp_path / "store", {}, {"artifactStore": {"namespace": None, "cidrs": [cidr]}})
    assert store[1]["to"] == [peer]


def test_a_peer_may_be_some_pods_of_a_namespace(tmp_path: Path) -> None:
    rules = egress(tmp_path, {}, {"kafka": {"podLabels": {"strimzi.io/kind": "Kafka"}}})
    (peer,) = rules[2]["to"]
    assert peer["podSelector"] == {"matchLabels": {"strimzi.io/kind": "Kafka"}}
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "kafka"}


def test_egress_over_udp_and_to_ranges_of_ports(tmp_path: Path) -> None:
    rules = [
        {"cidr": "10.1.0.0/16", "ports": [8125], "protocol": "UDP"},
        {
            "namespace": "feast",
            "podLabels": {"app": "feast"},
            "ports": [6566, {"port": 30000, "endPort": 32767}],
        },
    ]
    statsd, feast = egress(tmp_path, {"egress": rules}, {})[-2:]
    assert statsd == {
        "to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}],
        "ports": [{"protocol": "UDP", "port": 8125}],
    }
    assert feast["to"][0]["podSelector"] == {"matchLabels": {"app": "feast"}}
    assert feast["ports"] == [
        {"protocol": "TCP", "port": 6566},
        {"protocol": "TCP", "port": 30000, "endPort": 32767},
    ]
