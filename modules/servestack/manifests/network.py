"""How requests reach the pods: Service, and Ingress or HTTPRoute."""

from __future__ import annotations

from servestack.manifests import names
from servestack.manifests.manifest import Body
from servestack.resolve.public_paths import public_paths
from servestack.resolve.resolved import ResolvedService
from servestack.spec.environment import Gateway, IngressController


def build_service(service: ResolvedService) -> Body:
    """The Service in front of the pods."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": names.metadata(service, service.name),
        "spec": {
            "type": "ClusterIP",
            "selector": names.selector(service),
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
    if not service.host or not isinstance(way_in, IngressController):
        return None
    annotations = dict(way_in.annotations) | dict(service.spec.ingress.annotations)
    backend = {"service": {"name": service.name, "port": {"name": names.HTTP_PORT_NAME}}}
    spec: Body = {
        "rules": [
            {
                "host": service.host,
                "http": {
                    "paths": [
                        {"path": path, "pathType": "Prefix", "backend": backend}
                        for path in public_paths(service.spec)
                    ]
                },
            }
        ]
    }
    tls = service.spec.ingress.tls or way_in.tls
    if tls is not None:
        spec = {"tls": [{"hosts": [service.host], "secretName": tls.secret}]} | spec
    if way_in.class_name is not None:
        spec = {"ingressClassName": way_in.class_name} | spec
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": names.metadata(service, service.name, annotations=annotations),
        "spec": spec,
    }


def build_http_route(service: ResolvedService) -> Body | None:
    """The HTTPRoute; None unless the model has a host and the environment a Gateway."""
    way_in = service.environment.ingress
    if not service.host or not isinstance(way_in, Gateway):
        return None
    parent: Body = {"name": way_in.name, "namespace": way_in.namespace}
    if way_in.section_name is not None:
        parent["sectionName"] = way_in.section_name
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": names.metadata(
            service, service.name, annotations=dict(service.spec.ingress.annotations)
        ),
        "spec": {
            "parentRefs": [parent],
            "hostnames": [service.host],
            "rules": [
                {
                    "matches": [
                        {"path": {"type": "PathPrefix", "value": path}}
                        for path in public_paths(service.spec)
                    ],
                    "backendRefs": [{"name": service.name, "port": service.spec.service.port}],
                }
            ],
        },
    }
