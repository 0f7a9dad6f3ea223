"""The address of a model's artifact, parsed.

    models:/iris@production   an alias in the MLflow registry
    models:/iris/3            a version
    models:/iris/Production   a stage (deprecated by MLflow, still found in the field)
    runs:/<run id>/<path>     an artifact of a run
    s3://, gs://, https://, file:    a folder or file elsewhere
    /opt/models/iris          a path inside the serving image

Source: https://mlflow.org/docs/latest/ml/model-registry (URI forms of the registry).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, StringConstraints
from pydantic_core import PydanticCustomError

_REGISTERED = re.compile(r"^models:/(?P<name>[^/@\s:]+)(?:@(?P<alias>[\w.-]+)|/(?P<rest>[\w.-]+))$")
_RUN = re.compile(r"^runs:/(?P<run>[0-9a-f]{32})/(?P<path>[\w./-]+)$")
STAGES = ("Production", "Staging", "Archived", "None")
FORMS = "models:/name@alias, models:/name/3, runs:/<run id>/<path>, s3://, gs://, https://, file: or /path/in/image"


class ArtifactKind(StrEnum):
    """Where an artifact is kept. This decides which registry resolves its address."""

    REGISTERED = "registered"
    RUN = "run"
    REMOTE = "remote"
    LOCAL = "local"
    IN_IMAGE = "in-image"


@dataclass(frozen=True, slots=True)
class ArtifactUri:
    """A parsed address. Of `alias`, `version` and `stage` at most one is set."""

    text: str
    kind: ArtifactKind
    name: str = ""
    alias: str = ""
    version: str = ""
    stage: str = ""
    run_id: str = ""
    path: str = ""


def parse_artifact_uri(text: str) -> ArtifactUri:
    """Parse an address. Raises ValueError that says what is wrong, without the whole address."""
    if text.startswith("models:"):
        return _parse_registered(text)
    if text.startswith("runs:"):
        match = _RUN.match(text)
        if match is None:
            raise ValueError("the artifact of a run has the form runs:/<32 hex digits>/<path>")
        return ArtifactUri(text, ArtifactKind.RUN, run_id=match["run"], path=match["path"])
    if text.startswith("/"):
        return _parse_in_image(text)
    return _parse_url(text)


def _parse_registered(text: str) -> ArtifactUri:
    match = _REGISTERED.match(text)
    if match is None:
        raise ValueError("a registered model has the form models:/name@alias or models:/name/3")
    name, alias, rest = match["name"], match["alias"] or "", match["rest"] or ""
    if alias or rest.isdigit():
        return ArtifactUri(text, ArtifactKind.REGISTERED, name=name, alias=alias, version=rest)
    stage = next((stage for stage in STAGES if stage.lower() == rest.lower()), "")
    if not stage:
        raise ValueError(
            f"{rest!r} is neither a version nor a stage; "
            f"an alias has the form models:/{name}@{rest}"
        )
    return ArtifactUri(text, ArtifactKind.REGISTERED, name=name, stage=stage)


def _parse_in_image(text: str) -> ArtifactUri:
    if ".." in text.split("/") or "//" in text or text == "/":
        raise ValueError("a path in the image must be absolute, without '..' or empty parts")
    return ArtifactUri(text, ArtifactKind.IN_IMAGE, path=text.rstrip("/"))


def _parse_url(text: str) -> ArtifactUri:
    parts = urlsplit(text)
    if parts.username or parts.password:
        raise ValueError("an address must not contain credentials; grant access to the pod instead")
    if parts.scheme == "file":
        if not parts.path or parts.netloc not in ("", "localhost"):
            raise ValueError("a local artifact has the form file:/path or file:relative/path")
        return ArtifactUri(text, ArtifactKind.LOCAL, path=parts.path)
    if parts.scheme in ("s3", "gs", "https"):
        if not parts.netloc or not parts.path.strip("/"):
            raise ValueError(f"a {parts.scheme} address needs a host or bucket and a path")
        if parts.scheme == "https" and (parts.query or parts.fragment):
            raise ValueError(
                "an https address must have no query or fragment, since signed addresses expire"
            )
        return ArtifactUri(text, ArtifactKind.REMOTE, path=parts.path)
    if parts.scheme == "http":
        raise ValueError("http does not protect the artifact in transit; use https")
    raise ValueError("this is not the address of an artifact")


def _check(text: str) -> str:
    try:
        parse_artifact_uri(text)
    except ValueError as error:
        raise PydanticCustomError(
            "artifact_uri", "{reason}", {"reason": str(error), "hint": f"write one of {FORMS}"}
        ) from None
    return text


Artifact = Annotated[str, StringConstraints(min_length=1, max_length=1000), AfterValidator(_check)]
