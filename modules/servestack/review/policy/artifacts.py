"""Rules on artifacts: pinned, in an allowed format, reachable from the pods."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from servestack.manifests.server_settings import is_in_image
from servestack.resolve.signature import unchecked_types
from servestack.review.policy.rule import Path, Subject, Violation, rule


def artifact_path(subject: Subject, index: int) -> Path:
    """Return the field of the spec that names the artifact of a model."""
    return ("artifact",) if subject.service.spec.models is None else ("models", index, "artifact")


@rule("SRV621", "error", "serves artifacts that the lock pins by digest")
def pinned_artifacts(subject: Subject) -> Iterator[Violation]:
    rails = subject.service.environment.guard_rails
    for index, model in enumerate(subject.service.models):
        if rails.require_artifact_digest and not is_in_image(model) and not model.artifact.sha256:
            yield Violation(
                artifact_path(subject, index),
                f"{model.artifact.uri} has no sha256 in the lock",
                f"run `servestack lock {subject.service.environment.name}`",
            )


@rule("SRV622", "error", "is of a format that the environment allows")
def allowed_formats(subject: Subject) -> Iterator[Violation]:
    forbidden = subject.service.environment.guard_rails.forbidden_formats
    for index, model in enumerate(subject.service.models):
        if model.artifact.format in forbidden and not subject.service.spec.trust.pickle:
            yield Violation(
                artifact_path(subject, index),
                f"{model.artifact.uri} is stored as {model.artifact.format}, which runs code when "
                "it is loaded",
                "log it as skops, as onnx or in its own format, or trust it: trust: {pickle: true}",
            )


@rule("SRV623", "warning", "is fetched from where pods can reach it")
def reachable_artifacts(subject: Subject) -> Iterator[Violation]:
    for index, model in enumerate(subject.service.models):
        scheme = urlsplit(model.artifact.source).scheme
        if is_in_image(model):
            continue
        if scheme in ("", "file"):
            yield Violation(
                artifact_path(subject, index),
                "its source is a path on the machine that locked it, which no pod can read",
                "let MLflow serve its artifacts, or keep them in s3 or gs",
            )


@rule("SRV624", "warning", "knows what its input looks like")
def known_input(subject: Subject) -> Iterator[Violation]:
    if not subject.service.input.is_known:
        types = unchecked_types(subject.service.models[0].artifact.signature)
        yield Violation(
            ("api", "input"),
            f"the signature has types that are not checked: {', '.join(types)}"
            if types
            else "neither the spec nor the signature describes the input",
            "requests are not checked: write api.input.columns"
            if types
            else "requests are not checked: log the model with a signature, or write api.input.columns",
        )


@rule("SRV625", "error", "answers outputs that its model has")
def known_outputs(subject: Subject) -> Iterator[Violation]:
    for model in subject.service.models if subject.service.spec.api.outputs else ():
        if model.artifact.flavor not in ("", "onnx"):
            yield Violation(
                ("api", "outputs"),
                f"{model.name} is a model of {model.artifact.flavor}, which has no outputs by name",
                "remove it: pyfunc_predict_fn, set when a model is logged, says what it answers",
            )
