"""Rules on how a model is reached from outside the cluster."""

from __future__ import annotations

from collections.abc import Iterator

from servestack.resolve.addresses import certificate_issuer
from servestack.review.policy.rule import Subject, Violation, rule
from servestack.spec.environment import Gateway
from servestack.spec.exposure import PublicHost


@rule("SRV681", "warning", "asks of a Gateway only what a route can say")
def certificate_of_gateway(subject: Subject) -> Iterator[Violation]:
    spec = subject.service.spec
    if not subject.service.hosts or not isinstance(subject.service.environment.ingress, Gateway):
        return
    hint = (
        "give the certificate, or cert-manager's annotation, to the Gateway's listener, and remove "
        "it here"
    )
    message = "has no effect with a Gateway, whose listener holds the certificate"
    if spec.ingress.tls is not None:
        yield Violation(("ingress", "tls"), message, hint)
    for index, host in enumerate(spec.ingress.hosts):
        if isinstance(host, PublicHost) and host.tls is not None:
            yield Violation(("ingress", "hosts", index, "tls"), message, hint)


@rule("SRV682", "error", "keeps its own certificates from being overwritten")
def own_certificate(subject: Subject) -> Iterator[Violation]:
    spec, environment = subject.service.spec, subject.service.environment
    issuer = certificate_issuer(spec, environment)
    if issuer is None or (spec.ingress.tls is not None and spec.ingress.tls.issuer is not None):
        return
    for index, host in enumerate(spec.ingress.hosts):
        if isinstance(host, PublicHost) and host.tls is not None:
            yield Violation(
                ("ingress", "hosts", index, "tls"),
                f"cert-manager would write a certificate of the environment's issuer {issuer.name} "
                f"into {host.tls.secret}: it makes those of all hosts of an Ingress",
                "remove it: the issuer's certificate covers the host; or write ingress.tls.secret "
                "for the others",
            )
