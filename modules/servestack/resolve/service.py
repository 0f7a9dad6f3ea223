"""Resolves a spec, an environment and a lock into a ResolvedService."""

from __future__ import annotations

from servestack.errors import Problem, ResolveError
from servestack.resolve.addresses import public_hosts, service_url
from servestack.resolve.devices import device_problems
from servestack.resolve.lock import Lock, LockedArtifact
from servestack.resolve.overlay import Layer, merge
from servestack.resolve.provenance import Provenance
from servestack.resolve.resolved import ResolvedModel, ResolvedService, Topics
from servestack.resolve.signature import input_of, params_of
from servestack.spec.api import Input
from servestack.spec.artifact_uri import ArtifactKind, parse_artifact_uri
from servestack.spec.columns import Param
from servestack.spec.document import Document, dotted
from servestack.spec.environment import Environment
from servestack.spec.load import Loaded, check_model_service
from servestack.spec.model_service import ModelService, shadow_name
from servestack.spec.scaling import Autoscaling

DEFAULT_REPLICAS = 2
"""Pods of a model without autoscaling: when one stops, the other still answers."""


def effective_spec(
    spec: Loaded[ModelService], environment: Loaded[Environment]
) -> tuple[ModelService, Provenance]:
    """Return the spec with the environment's overlays, and where each of its fields came from.

    Raises ResolveError if the merged spec is not valid.
    """
    merged, provenance = merge(_layers(spec, environment.document), spec.document.location())
    value = spec.value
    if environment.value.defaults or environment.value.overrides or spec.folders:
        checked, problems = check_model_service(merged, provenance.location, provenance.field)
        if checked is None or problems:
            raise ResolveError(problems)
        value = checked
    if value.replicas is None and value.autoscaling is None:
        written = "autoscaling" in merged
        default = {"replicas": DEFAULT_REPLICAS} if written else {"autoscaling": Autoscaling()}
        value = value.model_copy(update=default)
    return value, provenance


def _layers(spec: Loaded[ModelService], environment: Document) -> tuple[Layer, ...]:
    folders = (Layer(f"folder {d.file.parent.as_posix()}", d, ("defaults",)) for d in spec.folders)
    return (
        Layer("environment", environment, ("defaults",)),
        *folders,
        Layer("spec", spec.document),
        Layer("override of every model", environment, ("overrides", "*")),
        Layer("override", environment, ("overrides", spec.value.name)),
    )


def resolve_service(
    spec: Loaded[ModelService], environment: Loaded[Environment], lock: Lock
) -> ResolvedService:
    """Merge the layers, take the artifacts from the lock, and derive addresses and topics.

    Raises ResolveError with every artifact that the lock does not hold, or holds for another URI.
    """
    value, provenance = effective_spec(spec, environment)
    models, shadow = _locked_models(value, lock, provenance)
    settings = environment.value
    problems = list(device_problems(value, settings, provenance))
    if problems:
        raise ResolveError(problems)
    return ResolvedService(
        spec=value,
        environment=settings,
        models=models,
        input=_input(value, models),
        params=_params(value, models),
        image=value.image.over(settings.images.server) if value.image else settings.images.server,
        hosts=public_hosts(value, settings),
        url=service_url(value, settings),
        topics=topics_of(value, settings),
        source=spec.document.file.as_posix(),
        provenance=provenance,
        shadow=shadow,
    )


def _locked_models(
    spec: ModelService, lock: Lock, provenance: Provenance
) -> tuple[tuple[ResolvedModel, ...], ResolvedModel | None]:
    """Return the models, and that of the shadow if there is one."""
    locked = lock.models.get(spec.name, {})
    models, problems = [], []
    wanted: list[tuple[str, str, tuple[str | int, ...]]] = [
        (
            model.name,
            model.artifact,
            ("artifact",) if spec.models is None else ("models", index, "artifact"),
        )
        for index, model in enumerate(spec.artifacts())
    ]
    if spec.shadow is not None:
        wanted.append((shadow_name(spec.name), spec.shadow.artifact, ("shadow", "artifact")))
    for name, address, path in wanted:
        uri = parse_artifact_uri(address)
        artifact = locked.get(name)
        if uri.kind is ArtifactKind.IN_IMAGE:
            artifact = LockedArtifact(uri=uri.text, source=uri.path)
        elif artifact is None or artifact.uri != uri.text:
            known = "is not in the lock" if artifact is None else f"is locked as {artifact.uri}"
            problems.append(
                Problem(
                    "SRV201",
                    f"{uri.text} {known}",
                    provenance.location(path),
                    dotted(path),
                    f"run `servestack lock {lock.environment}`",
                )
            )
            continue
        models.append(ResolvedModel(name, artifact))
    if problems:
        raise ResolveError(problems)
    if spec.shadow is None:
        return tuple(models), None
    # Under the model's own name it answers the same paths.
    shadow = ResolvedModel(models[0].name, models.pop().artifact)
    return tuple(models), shadow


def _input(spec: ModelService, models: tuple[ResolvedModel, ...]) -> Input:
    """Return the input from the spec, or else from the first model's signature."""
    given = spec.api.input
    if given.is_known:
        return given
    from_signature = input_of(models[0].artifact.signature)
    kept = {"example": given.example, "unknown_columns": given.unknown_columns}
    return from_signature.model_copy(update=kept)


def _params(spec: ModelService, models: tuple[ResolvedModel, ...]) -> tuple[Param, ...]:
    """Return the params of the spec, or else of the first model's signature."""
    given = spec.api.params
    return given if given is not None else params_of(models[0].artifact.signature)


def topics_of(spec: ModelService, environment: Environment) -> Topics:
    if environment.kafka is None:
        return Topics()
    prefix = f"{spec.logging.topic_prefix or environment.kafka.topic_prefix}.{spec.name}"
    return Topics(
        predictions=f"{prefix}.predictions" if spec.logging.predictions else "",
        feedback=f"{prefix}.feedback" if spec.logging.feedback else "",
        access=f"{prefix}.access" if spec.logging.access else "",
        custom=f"{prefix}.custom" if spec.logging.custom else "",
    )
