"""How requests reach the pods: Service, and Ingress or HTTPRoute."""

from __future__ import annotations

from servestack.manifests import names
from servestack.manifests.manifest import Body
from servestack.resolve.addresses import certificate_issuer, certificates, public_paths
from servestack.resolve.resolved import ResolvedService
from servestack.spec.environment import Gateway, IngressController

_GATEWAY_GROUP = "gateway.networking.k8s.io"


def build_service(service: ResolvedService) -> Body:
    """The Service in front of the pods, for callers in the cluster.

    Where a rollout has two sides it leads to the stable one, by a label that the engine moves.
    """
    selector = names.selector(service)
    if service.has_two_sides:
        selector = selector | {names.VARIANT_LABEL: "stable"}
    return _service(service, service.name, selector)


def build_stable_service(service: ResolvedService) -> Body | None:
    """The Service of the version that has been promoted, to which requests from outside go."""
    return _side(service, names.stable_service_name(service))


def build_canary_service(service: ResolvedService) -> Body | None:
    """The Service of the version that a rollout tries."""
    return _side(service, names.canary_service_name(service))


def _side(service: ResolvedService, name: str) -> Body | None:
    """The Service of one side of a rollout; None where a rollout has no two sides.

    It has no selector: the engine writes it, and one written here too would be taken from it by
    every apply, since the selector is owned as a whole (docs/adr/0025).
    """
    return _service(service, name, None) if service.has_two_sides else None


def _service(service: ResolvedService, name: str, selector: dict[str, str] | None) -> Body:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": names.metadata(service, name),
        "spec": {
            "type": "ClusterIP",
            **({"selector": selector} if selector is not None else {}),
            "ports": [
                {
                    "name": names.HTTP_PORT_NAME,
                    "port": service.spec.service.port,
                    "protocol": "TCP",
                    "targetPort": names.HTTP_PORT_NAME,
                }
            ],
        },
    }


def build_ingress(service: ResolvedService) -> Body | None:
    """The Ingress; None unless the model has a host and the environment an ingress controller."""
    way_in = service.environment.ingress
    if not service.hosts or not isinstance(way_in, IngressController):
        return None
    annotations = _issuer_annotations(service) | dict(way_in.annotations)
    annotations |= dict(service.spec.ingress.annotations)
    own = names.stable_service_name(service) if service.has_two_sides else service.name
    backend = {"service": {"name": own, "port": {"name": names.HTTP_PORT_NAME}}}
    paths = public_paths(service.spec, service.environment)
    spec: Body = {
        "rules": [
            {
                "host": host,
                "http": {
                    "paths": [
                        {"path": path, "pathType": "Prefix", "backend": dict(backend)}
                        for path in paths
                    ]
                },
            }
            for host in service.hosts
        ]
    }
    tls = certificates(service.spec, service.environment)
    if tls:
        entries = [{"hosts": list(hosts), "secretName": secret} for secret, hosts in tls.items()]
        spec = {"tls": entries} | spec
    if way_in.class_name is not None:
        spec = {"ingressClassName": way_in.class_name} | spec
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": names.metadata(service, service.name, annotations=annotations),
        "spec": spec,
    }


def _issuer_annotations(service: ResolvedService) -> dict[str, str]:
    """The annotation by which cert-manager makes the certificates of an Ingress, if it does.

    Source: https://cert-manager.io/docs/usage/ingress/
    """
    issuer = certificate_issuer(service.spec, service.environment)
    if issuer is None:
        return {}
    kind = "cluster-issuer" if issuer.kind == "ClusterIssuer" else "issuer"
    return {f"cert-manager.io/{kind}": issuer.name}


def build_http_route(service: ResolvedService) -> Body | None:
    """The HTTPRoute; None unless the model has a host and the environment a Gateway."""
    way_in = service.environment.ingress
    if not service.hosts or not isinstance(way_in, Gateway):
        return None
    # What the API fills in is written out: these lists are compared as a whole, and a controller
    # would find a route without it different for ever (argoproj/argo-cd#22151).
    parent: Body = {
        "group": _GATEWAY_GROUP,
        "kind": "Gateway",
        "name": way_in.name,
        "namespace": way_in.namespace,
    }
    if way_in.section_name is not None:
        parent["sectionName"] = way_in.section_name
    return {
        "apiVersion": f"{_GATEWAY_GROUP}/v1",
        "kind": "HTTPRoute",
        "metadata": names.metadata(
            service, service.name, annotations=dict(service.spec.ingress.annotations)
        ),
        "spec": {
            "parentRefs": [parent],
            "hostnames": list(service.hosts),
            "rules": [
                {
                    "matches": [
                        {"path": {"type": "PathPrefix", "value": path}}
                        for path in public_paths(service.spec, service.environment)
                    ],
                    "backendRefs": [
                        {
                            "group": "",
                            "kind": "Service",
                            "name": service.name,
                            "port": service.spec.service.port,
                            "weight": 1,
                        }
                    ],
                }
            ],
        },
    }
