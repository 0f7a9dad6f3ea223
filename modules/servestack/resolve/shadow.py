"""The shadow of a model as a service of its own, from which the builders make its objects.

It is the model with another artifact, in pods of its own under `<name>-shadow`. It has no public
address, no API keys, no autoscaler, no alerts and no dashboard: nobody calls it but the model's pods.
"""

from __future__ import annotations

from dataclasses import replace

from servestack.resolve.addresses import service_url
from servestack.resolve.resolved import ResolvedService, Topics
from servestack.resolve.signature import input_of, params_of
from servestack.spec.exposure import Ingress, Service
from servestack.spec.model_service import ModelService, shadow_name
from servestack.spec.observability import Logging


def shadow_service(service: ResolvedService) -> ResolvedService | None:
    """Return a model's shadow; None without one.

    Its models keep their names, so that it answers the same paths. Its predictions go to the topic
    of the model's. It takes the input that the spec describes, or else that of its own signature.
    """
    model = service.shadow
    if model is None:
        return None
    spec = _spec(service)
    given, signature = service.spec.api, model.artifact.signature
    kept = {"example": given.input.example, "unknown_columns": given.input.unknown_columns}
    return replace(
        service,
        spec=spec,
        models=(model,),
        input=given.input if given.input.is_known else input_of(signature).model_copy(update=kept),
        params=given.params if given.params is not None else params_of(signature),
        hosts=(),
        url=service_url(spec, service.environment),
        topics=Topics(predictions=service.topics.predictions, custom=service.topics.custom),
        shadow=None,
        shadow_of=service.name,
    )


def _spec(service: ResolvedService) -> ModelService:
    spec = service.spec
    shadow = spec.shadow
    assert shadow is not None  # The artifact is locked for it.
    account = spec.service_account.name or spec.name
    kept = {"port": spec.service.port}
    return spec.model_copy(
        update={
            "name": shadow_name(spec.name),
            "artifact": shadow.artifact,
            "api": spec.api.model_copy(
                update={"base_path": spec.base_path, "auth": None, "cors": None}
            ),
            "replicas": shadow.replicas,
            "autoscaling": None,
            "resources": shadow.resources or spec.resources,
            "service": Service.model_construct().model_copy(update=kept),
            # The same identity: it fetches from the same store, with the same rights.
            "service_account": spec.service_account.model_copy(update={"name": account}),
            "ingress": Ingress.model_construct(enabled=False),
            "rollout": spec.rollout.model_copy(update={"strategy": "rolling"}),
            "logging": _logging(spec.logging),
            # With the buckets of the model's objective, so that both can be compared.
            "monitoring": spec.monitoring.model_copy(
                update={"alerts": False, "dashboard": False, "drift": False}
            ),
            "shadow": None,
            "experiment": None,
            "patches": (),
        }
    )


def _logging(given: Logging) -> Logging:
    """Predictions as the model logs them. A full log must not keep a shadow from answering."""
    changed = {"feedback": False, "access": False, "when_full": "drop"}
    return given.model_copy(update=changed)
