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
from servestack.spec.load import Loaded, load_environment, load_model_service
from servestack.spec.model_service import ModelService

MODELS_FOLDER = Path("models")
STACKS_FOLDER = Path("stacks")
RENDERED_FOLDER = Path("rendered")


@dataclass(frozen=True, slots=True)
class Inputs:
    """The specs, the environment and its lock, as loaded. `root` is the project's folder."""

    root: Path
    specs: tuple[Loaded[ModelService], ...]
    environment: Loaded[Environment]
    lock: Lock


@dataclass(frozen=True, slots=True)
class Built:
    """One environment: its inputs, its resolved services and its manifests."""

    inputs: Inputs
    services: tuple[ResolvedService, ...]
    manifests: tuple[Manifest, ...]

    @property
    def environment(self) -> Environment:
        return self.inputs.environment.value


def build_environment(root: Path, environment: str) -> Built:
    """Load, resolve and build one environment. Raises ServestackError with all problems found."""
    inputs, services = load_resolved(root, environment)
    manifests = build_manifests(
        inputs.environment.value, inputs.environment.document.file.as_posix(), services
    )
    return Built(inputs, services, manifests)


def load_resolved(root: Path, environment: str) -> tuple[Inputs, tuple[ResolvedService, ...]]:
    """Load and resolve one environment. Raises ServestackError with all problems found."""
    inputs = load_inputs(root, environment)
    return inputs, resolve_environment(inputs.specs, inputs.environment, inputs.lock)


def load_inputs(root: Path, environment: str, *, tolerate_broken_lock: bool = False) -> Inputs:
    """Read the specs, the environment and its lock.

    With `tolerate_broken_lock` a lock that is not valid counts as empty, for a command that will
    write it again. Raises SpecError with every problem of every file.
    """
    problems: list[Problem] = []
    loaded_environment: Loaded[Environment] | None = None
    specs: tuple[Loaded[ModelService], ...] = ()
    lock = Lock(environment)
    try:
        loaded_environment = load_environment(*_environment_file(root, environment))
    except ServestackError as error:
        problems += error.problems
    try:
        specs = load_specs(root)
    except ServestackError as error:
        problems += error.problems
    try:
        lock = read_lock(root / lock_file(environment), environment)
    except ServestackError as error:
        problems += () if tolerate_broken_lock else error.problems
    if problems or loaded_environment is None:
        raise SpecError(problems)
    return Inputs(root, specs, loaded_environment, lock)


def load_specs(root: Path) -> tuple[Loaded[ModelService], ...]:
    """Load all specs below models/, in the order of their paths.

    Raises SpecError with every problem, among them a name that two specs share (SRV204).
    """
    problems: list[Problem] = []
    specs: list[Loaded[ModelService]] = []
    files: dict[str, Path] = {}
    for file in spec_files(root):
        shown = file.relative_to(root)
        try:
            spec = load_model_service(file, shown)
        except ServestackError as error:
            problems += error.problems
            continue
        name = spec.value.name
        if name in files:
            problems.append(
                Problem(
                    "SRV204",
                    f"{name!r} is also the name of {files[name]}",
                    spec.document.location(("name",)),
                    "name",
                    "give each model a different name",
                )
            )
        files.setdefault(name, shown)
        specs.append(spec)
    if problems:
        raise SpecError(problems)
    return tuple(specs)


def spec_files(root: Path) -> list[Path]:
    """List the YAML files below models/, sorted, without names that start with `.` or `_`.

    Raises SpecError (SRV205) if there is no folder models/.
    """
    folder = root / MODELS_FOLDER
    if not folder.is_dir():
        raise SpecError(
            Problem(
                "SRV205",
                "there is no folder models/",
                Location(root),
                hint="run this in a project's folder, or create one with `servestack init`",
            )
        )
    return sorted(
        file
        for file in folder.rglob("*")
        if file.suffix in (".yaml", ".yml")
        and not any(part.startswith((".", "_")) for part in file.relative_to(folder).parts)
    )


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
