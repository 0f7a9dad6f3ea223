"""`servestack lock`."""

from __future__ import annotations

from pathlib import Path

from servestack.cli.output import say
from servestack.errors import Problem, RegistryError
from servestack.project import Inputs, chosen_environments, load_inputs, lock_file
from servestack.resolve.artifact_store import ArtifactStore
from servestack.resolve.environment import deployed
from servestack.resolve.lock import LockedArtifact, write_lock
from servestack.resolve.locking import LockEntry, LockRequest, RegistryOf, lock_artifacts
from servestack.resolve.registry import Registry
from servestack.resolve.service import effective_spec
from servestack.spec.artifact_uri import ArtifactKind, ArtifactUri
from servestack.spec.load import Loaded
from servestack.spec.model_service import ModelService


def lock(root: Path, names: list[str] | None, *, refresh: bool) -> None:
    """Resolve, then write; with any problem the lock stays as it is."""
    for name in chosen_environments(root, names):
        inputs = load_inputs(root, name, tolerate_broken_lock=True)
        report = lock_artifacts(
            _requests(inputs),
            inputs.lock,
            registries(inputs),
            refresh=refresh,
            progress=lambda request, step: say(f"{request.model}: {step} {request.uri}"),
        )
        written = write_lock(root / lock_file(name), report.lock)
        for entry in report.entries:
            say(f"{entry.service}{_of_several(entry)}: {entry.what}{_versions(entry)}")
        kept = "unchanged" if refresh else "unchanged; --refresh reads the artifacts again"
        say(f"{lock_file(name)}: {'written' if written else kept}")


def _requests(inputs: Inputs) -> list[LockRequest]:
    requests: list[LockRequest] = []
    for loaded in deployed(inputs.specs, inputs.environment.value):
        requests += lock_requests(loaded, inputs)
    return requests


def lock_requests(loaded: Loaded[ModelService], inputs: Inputs) -> list[LockRequest]:
    """What is to be pinned of one spec, each with the place of its address."""
    spec, provenance = effective_spec(loaded, inputs.environment)
    requests = []
    for index, model in enumerate(spec.artifacts()):
        path = ("artifact",) if spec.models is None else ("models", index, "artifact")
        location = provenance.location(path)
        requests.append(LockRequest(spec.name, model.name, model.artifact, location))
    return requests


def registries(inputs: Inputs) -> RegistryOf:
    """Which registry answers for an address; each is made once."""
    from servestack.resolve.mlflow_registry import MlflowRegistry

    settings = inputs.environment.value.mlflow
    mlflow = MlflowRegistry(settings.tracking_uri) if settings is not None else None
    store = ArtifactStore(inputs.root)

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


def _of_several(entry: LockEntry) -> str:
    return "" if entry.model == entry.service else f"/{entry.model}"


def _versions(entry: LockEntry) -> str:
    if entry.what == "moved" and entry.old and entry.new:
        return f" {_version(entry.old)} → {_version(entry.new)}"
    artifact = entry.new or entry.old
    return f" {_version(artifact)}" if artifact else ""


def _version(artifact: LockedArtifact) -> str:
    return f"version {artifact.version}" if artifact.version else artifact.sha256[:12]
