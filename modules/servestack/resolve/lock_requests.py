"""Lists the artifacts to pin, and chooses the registry for each."""

from __future__ import annotations

from pathlib import Path

from servestack.errors import Problem, RegistryError
from servestack.resolve.artifact_store import ArtifactStore
from servestack.resolve.locking import LockRequest, RegistryOf
from servestack.resolve.mlflow_address import address_of
from servestack.resolve.registry import Registry
from servestack.resolve.service import effective_spec
from servestack.spec.artifact_uri import OF_MLFLOW, ArtifactUri
from servestack.spec.environment import Environment
from servestack.spec.load import Loaded
from servestack.spec.model_service import ModelService, shadow_name


def lock_requests(
    loaded: Loaded[ModelService], environment: Loaded[Environment]
) -> list[LockRequest]:
    """Return the artifacts of one spec to pin, each with the place of its address.

    Raises ResolveError if the spec is not valid with the environment's overlays.
    """
    spec, provenance = effective_spec(loaded, environment)
    requests = []
    for index, model in enumerate(spec.artifacts()):
        path = ("artifact",) if spec.models is None else ("models", index, "artifact")
        location = provenance.location(path)
        requests.append(LockRequest(spec.name, model.name, model.artifact, location))
    if spec.shadow is not None:
        location = provenance.location(("shadow", "artifact"))
        name = shadow_name(spec.name)
        requests.append(LockRequest(spec.name, name, spec.shadow.artifact, location))
    return requests


def registries(environment: Environment, root: Path) -> RegistryOf:
    """Return a function that chooses the registry for an address. Each registry is made once.

    `root` is the project's folder. The function raises RegistryError (SRV228) if an address needs
    an MLflow server and the environment names none.
    """
    from servestack.resolve.mlflow_registry import MlflowRegistry

    settings = environment.mlflow
    mlflow = MlflowRegistry(address_of(settings, root)) if settings is not None else None
    store = ArtifactStore(root)

    def registry_of(uri: ArtifactUri) -> Registry:
        if uri.kind not in OF_MLFLOW:
            return store
        if mlflow is None:
            raise RegistryError(
                Problem(
                    "SRV228",
                    f"{uri.text}: the environment names no MLflow server",
                    hint=f"write mlflow: {{trackingUri: …}} in stacks/{environment.name}.yaml",
                )
            )
        return mlflow

    return registry_of
