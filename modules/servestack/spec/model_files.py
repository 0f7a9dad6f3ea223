"""Finds and loads the specs below models/, each with the defaults of the folders around it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from servestack.errors import Location, Problem, ServestackError, SpecError
from servestack.spec.document import Document, read_document
from servestack.spec.folder import FOLDER_FILE
from servestack.spec.load import Loaded, check_model_service, load_folder
from servestack.spec.model_service import ModelService

MODELS_FOLDER = Path("models")


@dataclass(frozen=True, slots=True)
class BrokenSpec:
    """A spec that cannot be used. `name` is the model's; None if the file does not tell it."""

    file: Path
    name: str | None
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Every file below models/, in the order of paths: those that are valid, and the others."""

    specs: tuple[Loaded[ModelService], ...]
    broken: tuple[BrokenSpec, ...] = ()

    def problems(self, selection: Selection | None = None) -> tuple[Problem, ...]:
        """Return the problems of the broken files, or of those that a selection holds."""
        return tuple(
            dict.fromkeys(
                problem
                for spec in self.broken
                if selection is None or selection.holds(spec.file, spec.name)
                for problem in spec.problems
            )
        )


@dataclass(frozen=True, slots=True)
class Selection:
    """Some models of a project: by name, and by folder, relative to the project."""

    names: tuple[str, ...] = ()
    folders: tuple[Path, ...] = ()

    def holds(self, file: Path, name: str | None) -> bool:
        """Whether the spec in `file` is selected. Without a name, the file's own stands for it."""
        return (name or file.stem) in self.names or any(f in file.parents for f in self.folders)

    def holds_spec(self, spec: Loaded[ModelService]) -> bool:
        return self.holds(spec.document.file, spec.value.name)

    def require_known(self, files: ModelFiles, gone: Iterable[str] = ()) -> None:
        """Raise SpecError (SRV209) with every name and folder that selects no spec.

        `gone` are names that may be selected although no spec has them.
        """
        known = {spec.value.name for spec in files.specs} | set(gone)
        known |= {spec.name or spec.file.stem for spec in files.broken}
        paths = [spec.document.file for spec in files.specs] + [spec.file for spec in files.broken]
        problems = [
            Problem(
                "SRV209",
                f"no model is called {name!r}",
                hint=f"the models are {', '.join(sorted(known)) or 'none'}",
            )
            for name in self.names
            if name not in known
        ]
        problems += [
            Problem("SRV209", "holds no model", Location(folder), hint="name a folder of models/")
            for folder in self.folders
            if not any(folder in path.parents for path in paths)
        ]
        if problems:
            raise SpecError(problems)


def select(root: Path, names: list[str] | None, folders: list[Path] | None) -> Selection | None:
    """Return the selection of names and folders; None without any.

    A folder may be written from the working directory, from the project or from models/. Raises
    SpecError (SRV209) for one that is none of the project's.
    """
    if not names and not folders:
        return None
    found: list[Path] = []
    models = (root / MODELS_FOLDER).resolve()
    for folder in folders or ():
        places = [base / folder for base in (Path(), root, root / MODELS_FOLDER)]
        inside = [p.resolve() for p in places if p.is_dir() and p.resolve().is_relative_to(models)]
        if not inside:
            hint = f"name a folder of {MODELS_FOLDER}/"
            raise SpecError(
                Problem("SRV209", "is no folder of models", Location(folder), hint=hint)
            )
        found.append(MODELS_FOLDER / inside[0].relative_to(models))
    return Selection(tuple(names or ()), tuple(found))


def load_model_files(root: Path) -> ModelFiles:
    """Load all specs below models/. `root` is the project's folder.

    A name that two specs share (SRV204) breaks the second. Raises SpecError (SRV205) if there is no
    folder models/.
    """
    specs: list[Loaded[ModelService]] = []
    broken: list[BrokenSpec] = []
    files: dict[str, Path] = {}
    folders: dict[Path, tuple[Document, ...] | ServestackError] = {}
    for file in spec_files(root):
        shown = file.relative_to(root)
        name: str | None = None
        problems: list[Problem] = []
        try:
            document = read_document(file, shown)
            name = _name(document)
            spec, problems = check_model_service(document.data, document.location)
            if spec is not None and spec.name in files:
                message = f"{name!r} is also the name of {files[spec.name]}"
                hint = "give each model a different name"
                where = document.location(("name",))
                problems.append(Problem("SRV204", message, where, "name", hint))
            elif name is not None:
                files[name] = shown
            around = _folders(root, shown.parent, folders)
            if spec is not None and not problems:
                specs.append(Loaded(spec, document, around))
        except ServestackError as error:
            problems += error.problems
        if problems:
            broken.append(BrokenSpec(shown, name, tuple(problems)))
    return ModelFiles(tuple(specs), tuple(broken))


def _name(document: Document) -> str | None:
    name = document.data.get("name") if isinstance(document.data, dict) else None
    return name if isinstance(name, str) else None


def _folders(
    root: Path, folder: Path, known: dict[Path, tuple[Document, ...] | ServestackError]
) -> tuple[Document, ...]:
    """Return the documents of a folder and those around it, the outermost first.

    `known` remembers them. Raises SpecError with the problems of the nearest that is not valid.
    """
    found = known.get(folder)
    if found is None:
        outer = () if folder == MODELS_FOLDER else _folders(root, folder.parent, known)
        file = folder / FOLDER_FILE
        try:
            own = (load_folder(root / file, file).document,) if (root / file).exists() else ()
            found = (*outer, *own)
        except ServestackError as error:
            found = error
        known[folder] = found
    if isinstance(found, ServestackError):
        raise found
    return found


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
