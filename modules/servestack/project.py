"""Runs the whole pipeline for a project folder: load, resolve, build.

models/*.yaml, stacks/<env>.yaml, stacks/<env>.lock.yaml → load → resolve → build
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from servestack.errors import Location, Problem, ServestackError, SpecError
from servestack.manifests.assemble import build_manifests
from servestack.manifests.manifest import Manifest
from servestack.resolve.environment import resolve_environment
from servestack.resolve.lock import Lock, read_lock
from servestack.resolve.resolved import ResolvedService
from servestack.spec.environment import Environment
from servestack.spec.load import Loaded, load_environment
from servestack.spec.model_files import MODELS_FOLDER, ModelFiles, Selection, load_model_files
from servestack.spec.model_service import ModelService

STACKS_FOLDER = Path("stacks")
RENDERED_FOLDER = Path("rendered")


@dataclass(frozen=True, slots=True)
class Inputs:
    """The specs, the environment and its lock, as loaded. `root` is the project's folder.

    `lock_problems` say why the lock counts as empty.
    """

    root: Path
    files: ModelFiles
    environment: Loaded[Environment]
    lock: Lock
    lock_problems: tuple[Problem, ...] = ()

    @property
    def specs(self) -> tuple[Loaded[ModelService], ...]:
        return self.files.specs


@dataclass(frozen=True, slots=True)
class Resolved:
    """One environment: its inputs and its resolved services.

    With a selection, only those of the selected models.
    """

    inputs: Inputs
    services: tuple[ResolvedService, ...]
    selection: Selection | None

    @property
    def environment(self) -> Environment:
        return self.inputs.environment.value

    def covers(self, group: str) -> bool:
        """Whether the manifests hold all of a group: a model's, or the environment's own."""
        return self.selection is None or any(
            self.selection.holds_spec(spec)
            for spec in self.inputs.specs
            if spec.value.name == group
        )


@dataclass(frozen=True, slots=True)
class Built(Resolved):
    """One environment as resolved, and its manifests."""

    manifests: tuple[Manifest, ...]


def build_environment(root: Path, environment: str, selection: Selection | None = None) -> Built:
    """Load, resolve and build one environment, or only the selected models of it.

    Raises ServestackError with all problems found. Those of models that are not selected are left
    out.
    """
    resolved = load_resolved(root, environment, selection)
    source = resolved.inputs.environment.document.file.as_posix()
    manifests = build_manifests(resolved.environment, source, resolved.services)
    if selection is not None:
        manifests = tuple(m for m in manifests if resolved.covers(m.group))
    return Built(resolved.inputs, resolved.services, selection, manifests)


def load_resolved(root: Path, environment: str, selection: Selection | None = None) -> Resolved:
    """Load and resolve one environment, as `build_environment` does."""
    inputs = load_inputs(root, environment, selection=selection)
    services = resolve_environment(inputs.specs, inputs.environment, inputs.lock, selection)
    return Resolved(inputs, services, selection)


def load_inputs(root: Path, environment: str, *, selection: Selection | None = None) -> Inputs:
    """Read the specs, the environment and its lock.

    Raises SpecError with every problem of every file, but for the specs that are not selected, and
    for names and folders of the selection that select none (SRV209).
    """
    problems: list[Problem] = []
    inputs: Inputs | None = None
    files = ModelFiles(())
    try:
        files = load_model_files(root)
        if selection is not None:
            selection.require_known(files)
    except ServestackError as error:
        problems += error.problems
    try:
        inputs = load_around(root, environment, files)
        problems += inputs.lock_problems
    except ServestackError as error:
        problems = [*error.problems, *problems]
    problems += files.problems(selection)
    if problems or inputs is None:
        raise SpecError(problems)
    return inputs


def load_around(root: Path, environment: str, files: ModelFiles) -> Inputs:
    """Read an environment and its lock, for specs that are loaded, of which some may be broken.

    A lock that is not valid counts as empty. Raises SpecError if the environment is not valid.
    """
    loaded = load_environment(*_environment_file(root, environment))
    try:
        return Inputs(root, files, loaded, read_lock(root / lock_file(environment), environment))
    except ServestackError as error:
        return Inputs(root, files, loaded, Lock(environment), error.problems)


def find_root(folder: Path | None) -> Path:
    """Return the project's folder: the one given, or the nearest at or above the working directory.

    Raises SpecError (SRV205) if no folder there has models/ and stacks/.
    """
    if folder is not None:
        return folder
    here = Path.cwd()
    for candidate in (here, *here.parents):
        if (candidate / STACKS_FOLDER).is_dir() and (candidate / MODELS_FOLDER).is_dir():
            return candidate
    raise SpecError(
        Problem(
            "SRV205",
            "this is not a project: there are no folders models/ and stacks/",
            Location(Path()),
            hint="change to a project's folder, or create one with `servestack init`",
        )
    )


def chosen_environments(root: Path, names: list[str] | None) -> tuple[str, ...]:
    """Return the given names without repeats, or all environments of the project.

    Raises SpecError (SRV206) if the project has none.
    """
    if names:
        return tuple(dict.fromkeys(names))
    found = environment_names(root)
    if not found:
        raise SpecError(
            Problem(
                "SRV206",
                "the project has no environments",
                Location(STACKS_FOLDER),
                hint="create stacks/dev.yaml",
            )
        )
    return found


def environment_names(root: Path) -> tuple[str, ...]:
    """Return the names of a project's environments, sorted: `dev` for stacks/dev.yaml."""
    files = sorted((root / STACKS_FOLDER).glob("*.yaml"))
    return tuple(file.stem for file in files if not file.name.endswith(".lock.yaml"))


def lock_file(environment: str) -> Path:
    """Return the path of an environment's lock, relative to the project."""
    return STACKS_FOLDER / f"{environment}.lock.yaml"


def _environment_file(root: Path, environment: str) -> tuple[Path, Path]:
    shown = STACKS_FOLDER / f"{environment}.yaml"
    names = environment_names(root)
    if environment not in names:
        known = f"the environments are {', '.join(names)}" if names else f"create {shown}"
        raise SpecError(
            Problem(
                "SRV206", f"no environment is called {environment!r}", Location(shown), hint=known
            )
        )
    return root / shown, shown
