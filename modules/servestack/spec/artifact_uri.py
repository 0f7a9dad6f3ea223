"""The address of a model's artifact, parsed.

    models:/Iris Classifier@production   an alias in the MLflow registry
    models:/iris/3                       a version
    models:/iris/Production              a stage (deprecated by MLflow, still found in the field)
    models:/m-<32 hex digits>            a logged model of MLflow 3, registered or not
    runs:/<run id>/<path>                an artifact of a run
    s3://, gs://, https://, file: …      a folder or file elsewhere
    /opt/models/iris                     a path inside the serving image

Names, aliases and ids have MLflow's grammar, and nothing in them is percent-encoded. Sources:
`_parse_model_uri` in mlflow/store/artifact/utils/models.py, `parse_runs_uri` in
mlflow/store/artifact/runs_artifact_repo.py and mlflow/utils/validation.py of MLflow 3.17.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, StringConstraints
from pydantic_core import PydanticCustomError

from servestack_contract.sources import SCHEMES, why_not_fetched

LOGGED_MODEL = re.compile(r"m-[0-9a-f]{32}")
"""The id of a logged model."""
_VERSION = re.compile(r"[0-9]+")
_ALIAS = re.compile(r"[\w-]{1,255}")
_VERSION_AS_ALIAS = re.compile(r"[vV](\d+)")
_RUN_ID = re.compile(r"[a-zA-Z0-9][\w-]{0,255}", re.ASCII)
_LATEST = "latest"
STAGES = ("Production", "Staging", "Archived", "None")
FORMS = (
    "models:/name@alias, models:/name/3, models:/m-<id>, runs:/<run id>/<path>, s3://, gs://, "
    "abfss://, wasbs://, az://, dbfs:/, hdfs://, https://, file: or /path/in/image"
)


class ArtifactKind(StrEnum):
    """Where an artifact is kept. This decides which registry resolves its address."""

    REGISTERED = "registered"
    LOGGED = "logged"
    RUN = "run"
    REMOTE = "remote"
    LOCAL = "local"
    IN_IMAGE = "in-image"


_STORES = tuple(
    name for name, scheme in SCHEMES.items() if scheme.reader in ("azure", "databricks", "webhdfs")
)
OF_MLFLOW = frozenset({ArtifactKind.REGISTERED, ArtifactKind.LOGGED, ArtifactKind.RUN})
"""The kinds that an MLflow server resolves."""


@dataclass(frozen=True, slots=True)
class ArtifactUri:
    """A parsed address. Of `alias`, `version` and `stage` at most one is set.

    `name` is that of a registered model, and `model_id` the id of a logged one.
    """

    text: str
    kind: ArtifactKind
    name: str = ""
    alias: str = ""
    version: str = ""
    stage: str = ""
    model_id: str = ""
    run_id: str = ""
    path: str = ""


@lru_cache(maxsize=4096)  # Some twenty places ask for the parts of a model's address.
def parse_artifact_uri(text: str) -> ArtifactUri:
    """Parse an address. Raises ValueError that says what is wrong, without the whole address."""
    if any(ord(character) < ord(" ") or "\x7f" <= character < "\xa0" for character in text):
        raise ValueError("an address must have no control characters")
    if text.startswith("models:"):
        return _parse_registered(text)
    if text.startswith("runs:"):
        return _parse_run(text)
    if text.startswith("/"):
        return _parse_in_image(text)
    return _parse_url(text)


def _parse_registered(text: str) -> ArtifactUri:
    path = _path_of(text, "models", "models:/name@alias")
    name, slash, rest = path.partition("/")
    if not slash:
        if LOGGED_MODEL.fullmatch(path):
            return ArtifactUri(text, ArtifactKind.LOGGED, model_id=path)
        name, at, alias = path.rpartition("@")
        if not at:
            raise ValueError(
                f"{path!r} has neither an alias nor a version: "
                f"write models:/{path}@production or models:/{path}/3"
            )
        _check_name(name)
        _check_alias(name, alias)
        return ArtifactUri(text, ArtifactKind.REGISTERED, name=name, alias=alias)
    if "/" in rest:
        raise ValueError(
            "a registered model has the form models:/name@alias or models:/name/3: its name "
            "cannot hold a slash, and its artifact is taken as a whole"
        )
    _check_name(name)
    if _VERSION.fullmatch(rest):
        if int(rest) == 0:
            raise ValueError("MLflow counts versions from 1")
        return ArtifactUri(text, ArtifactKind.REGISTERED, name=name, version=str(int(rest)))
    stage = next((stage for stage in STAGES if stage.lower() == rest.lower()), "")
    if not stage:
        _check_alias(name, rest)
        raise ValueError(
            f"{rest!r} is neither a version nor a stage; "
            f"an alias has the form models:/{name}@{rest}"
        )
    return ArtifactUri(text, ArtifactKind.REGISTERED, name=name, stage=stage)


def _path_of(text: str, scheme: str, form: str) -> str:
    """Return what follows `scheme:/`. Raises ValueError for another number of slashes."""
    path = text.removeprefix(f"{scheme}:/")
    if path == text or path.startswith("/"):
        raise ValueError(f"a {scheme}: address has one slash after the colon: {form}")
    return path


def _check_name(name: str) -> None:
    """Raise ValueError for a name that MLflow refuses to register."""
    if not name.strip():
        raise ValueError("a registered model has the form models:/name@alias or models:/name/3")
    if ":" in name:
        raise ValueError(f"{name!r} is no name of a registered model: MLflow allows no ':' in it")
    if _is_unclear(name):
        raise ValueError(f"{name!r} is no name of a registered model: MLflow takes it for a path")


def _check_alias(name: str, alias: str) -> None:
    """Raise ValueError for an alias that MLflow does not let anyone set."""
    if alias.lower() == _LATEST:
        raise ValueError(
            f"{alias!r} is whatever was registered last, reviewed or not: name a version, or an "
            f"alias that someone sets, such as models:/{name}@production"
        )
    if not _ALIAS.fullmatch(alias):
        raise ValueError(
            f"{alias!r} is no alias: MLflow allows letters, digits, '_' and '-', at most 255"
        )
    if number := _VERSION_AS_ALIAS.fullmatch(alias):
        raise ValueError(
            f"{alias!r} is no alias, since MLflow keeps it for versions: "
            f"write models:/{name}/{int(number[1])}"
        )


def _is_unclear(path: str) -> bool:
    """Whether a path has '..', '.' or empty parts, which MLflow refuses in names and paths."""
    return posixpath.normpath(path) != path or path.split("/")[0] in ("", ".", "..")


def _parse_run(text: str) -> ArtifactUri:
    run_id, _, path = _path_of(text, "runs", "runs:/<run id>/<path>").partition("/")
    if not _RUN_ID.fullmatch(run_id):
        raise ValueError("the artifact of a run has the form runs:/<run id>/<path>")
    path = path.rstrip("/")
    if not path:
        raise ValueError(
            f"a run can have several artifacts: name the model's, such as runs:/{run_id}/model"
        )
    if _is_unclear(path):
        raise ValueError("the path of a run's artifact must have no '..', '.' or empty parts")
    return ArtifactUri(text, ArtifactKind.RUN, run_id=run_id, path=path)


def _parse_in_image(text: str) -> ArtifactUri:
    if ".." in text.split("/") or "//" in text or text == "/":
        raise ValueError("a path in the image must be absolute, without '..' or empty parts")
    return ArtifactUri(text, ArtifactKind.IN_IMAGE, path=text.rstrip("/"))


def _parse_url(text: str) -> ArtifactUri:
    parts = urlsplit(text)
    if parts.scheme in _STORES:
        if (refusal := why_not_fetched(text)) is not None:
            raise ValueError(f"{refusal.message}; {refusal.hint}")
        return ArtifactUri(text, ArtifactKind.REMOTE, path=parts.path)
    if parts.username or parts.password:
        raise ValueError("an address must not contain credentials; grant access to the pod instead")
    if parts.scheme == "file":
        if not parts.path or parts.netloc not in ("", "localhost"):
            raise ValueError("a local artifact has the form file:/path or file:relative/path")
        if parts.query or parts.fragment:
            raise ValueError("in a file: address, write ? as %3F and # as %23")
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
