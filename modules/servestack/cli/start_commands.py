"""`servestack init` and `servestack new`."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from servestack.cli.installed import requirement
from servestack.cli.output import say
from servestack.errors import Location, Problem, SpecError
from servestack.files import write_atomically
from servestack.project import STACKS_FOLDER, environment_names
from servestack.resolve.mlflow_address import MlflowAddress, address_of
from servestack.spec.artifact_uri import (
    LOGGED_MODEL,
    OF_MLFLOW,
    ArtifactUri,
    parse_artifact_uri,
)
from servestack.spec.document import MAX_FILE_BYTES, parse_document
from servestack.spec.load import check_model_service, load_environment
from servestack.spec.model_files import MODELS_FOLDER
from servestack.yaml_writer import dump

_SKELETON = Path(__file__).parent.parent / "skeleton"
_NAMES = {
    "gitignore": ".gitignore",
    "gitattributes": ".gitattributes",
    "project-readme.md": "README.md",
}
"""Files that have another name here, since git would apply them to this repository."""
_FIRST_MODEL = ("models/", "train.py")
_ENVIRONMENTS = ("stacks/dev.yaml", "stacks/prod.yaml", "stacks/config/")


def init(folder: Path) -> None:
    """Create a project. Files that exist already stay as they are.

    Raises SpecError (SRV304) if a file cannot be written.
    """
    texts = {name: file.read_text(encoding="utf-8") for name, file in _skeleton()}
    texts["requirements.txt"] = requirement()
    # The example model and environments are only for a project that has none of its own.
    if any((folder / MODELS_FOLDER).rglob("*.y*ml")):
        texts = {name: text for name, text in texts.items() if not name.startswith(_FIRST_MODEL)}
    if environment_names(folder):
        texts = {name: text for name, text in texts.items() if not name.startswith(_ENVIRONMENTS)}
    try:
        written = [name for name in sorted(texts) if _write_new(folder / name, texts[name])]
    except OSError as error:
        reason = error.strerror or str(error)
        where = Location(Path(error.filename or folder))
        hint = "choose a folder that you may write to"
        problem = Problem("SRV304", f"the project cannot be written: {reason}", where, hint=hint)
        raise SpecError(problem) from None
    if _make_repository(folder):
        say(f"created a git repository in {folder.resolve()}")
    if not written:
        say("nothing to write: the project is complete")
        return
    say(f"next: the commands in {folder / 'README.md'}")


def _skeleton() -> Iterator[tuple[str, Path]]:
    """Yield (name in the project, file of the skeleton)."""
    for file in sorted(_SKELETON.rglob("*")):
        name = file.relative_to(_SKELETON).as_posix()
        if file.is_file() and name != "README.md" and file.suffix != ".pyc":
            yield _NAMES.get(name, name), file


def _write_new(file: Path, text: str) -> bool:
    """Write a file unless one is there, or a broken link. Returns whether it was written."""
    if os.path.lexists(file):
        say(f"kept {file}")
        return False
    write_atomically(file, text)
    say(f"wrote {file}")
    return True


def _make_repository(folder: Path) -> bool:
    """Run `git init`, if git is installed and the folder is in no repository. Never fails."""
    try:
        inside = subprocess.run(
            ["git", "rev-parse", "--git-dir"], cwd=folder, capture_output=True, check=False
        )
        if inside.returncode == 0:
            return False
        made = subprocess.run(["git", "init", "-q"], cwd=folder, capture_output=True, check=False)
    except OSError:
        return False
    return made.returncode == 0


def new(root: Path, name: str | None, artifact: str, tracking_uri: str | None) -> None:
    """Write models/<name>.yaml, with the input and example from the registry.

    Raises SpecError if the file exists (SRV161) or would not be valid, and RegistryError if MLflow
    does not have the artifact.
    """
    name = name or _name_from(artifact)
    data: dict[str, Any] = {
        "apiVersion": "servestack/v1",
        "kind": "ModelService",
        "name": name,
        "artifact": artifact,
    }
    file = root / MODELS_FOLDER / f"{name}.yaml"
    if file.exists():
        raise SpecError(
            Problem(
                "SRV161", "already exists", Location(file), hint="edit it, or choose another name"
            )
        )
    _check(data, file)
    uri = parse_artifact_uri(artifact)
    if uri.kind in OF_MLFLOW:
        asked = _mlflow_here(tracking_uri) or _mlflow_of(root)
        if asked:
            data |= _input_of(uri, asked)
        else:
            say("api.input was not filled in: name an MLflow server with --tracking-uri")
    text = _readable_text(data, file)
    _check(parse_document(text, file).data, file)
    write_atomically(file, text)
    say(f"wrote {file}; next: servestack lock")


def _readable_text(data: dict[str, Any], file: Path) -> str:
    """Return the spec's text, without the parts of `api.input` that make it too large to be read.

    What describes the input is in the lock as well, as the model's signature.
    """
    text = dump(data)
    given = data.get("api", {}).get("input", {})
    for part in ("columns", "example"):
        if part in given and not _is_readable(text, file):
            del given[part]
            say(f"api.input.{part} was left out: with it no command could read {file}")
            text = dump(data if given else {k: v for k, v in data.items() if k != "api"})
    return text


def _is_readable(text: str, file: Path) -> bool:
    """Return whether a file of this text is within the limits of `read_document`."""
    if len(text.encode()) > MAX_FILE_BYTES:
        return False
    try:
        parse_document(text, file)
    except SpecError:
        return False
    return True


def _check(data: Any, file: Path) -> None:
    """Run the same checks as for a file that was written by hand."""
    _, problems = check_model_service(data, lambda path: Location(file))
    if problems:
        raise SpecError(problems)


def _name_from(artifact: str) -> str:
    """Return the registered model's name, in the form of a service's name."""
    registered = artifact.removeprefix("models:/").partition("@")[0].partition("/")[0]
    name = re.sub(r"[^a-z0-9]+", "-", registered.lower()).strip("-")
    is_id = LOGGED_MODEL.fullmatch(registered) is not None
    if not artifact.startswith("models:/") or is_id or not name:
        hint = f"servestack new <name> --from '{artifact}'"
        raise SpecError(Problem("SRV161", "give the model a name", hint=hint))
    return name


def _mlflow_here(tracking_uri: str | None) -> MlflowAddress | None:
    """Return the MLflow server of the option, or else of MLflow's own variable."""
    asked = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
    return MlflowAddress(asked) if asked else None


def _mlflow_of(root: Path) -> MlflowAddress | None:
    """Return the MLflow server of the first environment that names one."""
    for environment in environment_names(root):
        file = Path(STACKS_FOLDER, f"{environment}.yaml")
        settings = load_environment(root / file, file).value.mlflow
        if settings is not None:
            return address_of(settings, root)
    return None


def _input_of(uri: ArtifactUri, mlflow: MlflowAddress) -> dict[str, Any]:
    """Return `api.input` from the signature, with an example row if the model has one."""
    import tempfile

    from servestack.resolve.mlflow_registry import MlflowRegistry
    from servestack.resolve.model_facts import read_example, read_facts
    from servestack.resolve.signature import input_of

    registry = MlflowRegistry(mlflow)
    with tempfile.TemporaryDirectory(prefix="servestack-") as folder:
        path = registry.download(registry.find(uri), Path(folder))
        given = input_of(read_facts(path).signature).model_dump(
            mode="json", by_alias=True, exclude_defaults=True
        )
        example = read_example(path)
    if example is not None:
        given["example"] = example
    return {"api": {"input": given}} if given else {}
