"""What is to be pinned, and who is asked for it."""

from __future__ import annotations

from pathlib import Path

from servestack.errors import Problem, RegistryError
from servestack.resolve.artifact_store import ArtifactStore
from servestack.resolve.locking import LockRequest, RegistryOf
from servestack.resolve.registry import Registry
from servestack.resolve.service import effective_spec
from servestack.spec.artifact_uri import ArtifactKind, ArtifactUri
from servestack.spec.environment import Environment
from servestack.spec.load import Loaded
from servestack.spec.model_service import ModelService


def lock_requests(
    loaded: Loaded[ModelService], environment: Loaded[Environment]
) -> list[LockRequest]:
    """What is to be pinned of one spec, each with the place of its address."""
    spec, provenance = effective_spec(loaded, environment)
    requests = []
    for index, model in enumerate(spec.artifacts()):
        path = ("artifact",) if spec.models is None else ("models", index, "artifact")
        location = provenance.location(path)
        requests.append(LockRequest(spec.name, model.name, model.artifact, location))
    return requests


def registries(environment: Environment, root: Path) -> RegistryOf:
    """Which registry answers for an address; each is made once. `root` is the project's folder."""
    from servestack.resolve.mlflow_registry import MlflowRegistry

    settings = environment.mlflow
    mlflow = MlflowRegistry(settings.tracking_uri) if settings is not None else None
    store = ArtifactStore(root)

    def registry_of(uri: ArtifactUri) -> Registry:
        if uri.kind not in (ArtifactKind.REGISTERED, ArtifactKind.RUN):
            return store
        if mlflow is None:
            raise RegistryError(
                Problem(
                    "SRV228",
                    f"{uri.text}: the environment names no MLflow server",
                    hint="write mlflow: {trackingUri: …} in the environment",
                )
            )
        return mlflow

    return registry_of
