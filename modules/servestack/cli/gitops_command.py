"""`servestack gitops`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import typer

from servestack.cli.output import say, write
from servestack.errors import Location, Problem, RenderError, SpecError
from servestack.files import write_atomically
from servestack.gitops import argocd, flux
from servestack.gitops.source import (
    Source,
    default_name,
    is_in_git,
    rendered_path,
    require_address,
    require_name,
    require_revision,
)
from servestack.manifests.manifest import Body
from servestack.project import RENDERED_FOLDER, Built, build_environment
from servestack.yaml_writer import dump

ARGOCD = "argocd"
_OWN_NAMESPACE = {ARGOCD: "argocd", "flux": "flux-system"}


@dataclass(frozen=True, slots=True)
class GitOpsOptions:
    """What the objects say beside the environment. An empty text stands for the default.

    `own_project`: an AppProject is written too.
    """

    repository: str
    revision: str = "main"
    name: str = ""
    namespace: str = ""
    server: str = ""
    app_project: str = ""
    own_project: bool = False
    secret: str = ""
    cascade: bool = False


def gitops(
    root: Path, tool: str, environment: str, options: GitOpsOptions, to: Path | None, *, check: bool
) -> None:
    """Print a controller's objects for an environment, or write them to a file, or compare it."""
    _refuse_together(tool, options, to, check=check)
    built = build_environment(root, environment)
    source = Source(options.repository, options.revision, rendered_path(root, environment))
    require_address(source.repository, scp=tool == ARGOCD)
    require_revision(root, source.revision)
    name = options.name or default_name(source, environment)
    namespace = options.namespace or _OWN_NAMESPACE[tool]
    for text, option in (
        (name, "--name"), (namespace, "--namespace"), (options.app_project, "--app-project"),
        (options.secret, "--secret"),
    ):  # fmt: skip
        if text:
            require_name(text, option)
    if to is not None:
        _refuse_rendered(root, environment, to)
    if tool == ARGOCD:
        bodies = _of_argocd(built, source, name, namespace, options)
    else:
        bodies = _of_flux(built, source, name, namespace, options)
        if not flux.can_wait(built.manifests):
            say(
                f"{environment}: wait is false, because Flux cannot read the status of a Rollout; "
                f"`servestack wait {environment}` follows it"
            )
    if not is_in_git(root, environment):
        folder = RENDERED_FOLDER / environment
        say(
            f"{folder}: nothing of it is in git yet, so there is nothing to apply; "
            f"run `servestack render {environment}`, and commit it"
        )
    text = _header(tool, environment, options) + "---\n".join(dump(body) for body in bodies)
    _put(text, to, check=check)


def _of_argocd(
    built: Built, source: Source, name: str, namespace: str, options: GitOpsOptions
) -> list[Body]:
    server = options.server or argocd.THIS_CLUSTER
    models = built.environment.namespace
    project = options.app_project or (name if options.own_project else "default")
    bodies = [
        argocd.application(
            name, namespace, source,
            server=server, namespace=models, project=project, cascade=options.cascade,
        )
    ]  # fmt: skip
    if options.own_project:
        limits = argocd.app_project(
            project, namespace, source,
            server=server, namespace=models, manifests=built.manifests,
        )  # fmt: skip
        bodies.insert(0, limits)
    return bodies


def _of_flux(
    built: Built, source: Source, name: str, namespace: str, options: GitOpsOptions
) -> list[Body]:
    return [
        flux.git_repository(name, namespace, source, secret=options.secret),
        flux.kustomization(
            name, namespace, source, manifests=built.manifests, cascade=options.cascade
        ),
    ]


def _refuse_together(tool: str, options: GitOpsOptions, to: Path | None, *, check: bool) -> None:
    hints: Sequence[tuple[bool, str]] = (
        (check and to is None, "use --check with --to FILE, which it compares"),
        (
            tool != ARGOCD and bool(options.server or options.app_project or options.own_project),
            "use --server, --app-project and --own-project with argocd only",
        ),
        (
            tool == ARGOCD and bool(options.secret),
            "use --secret with flux only; Argo CD finds credentials by the repository's address",
        ),
        (
            options.own_project and options.app_project == "default",
            "name the AppProject otherwise: `default` is Argo CD's own",
        ),
    )
    for is_so, hint in hints:
        if is_so:
            message = "these options of gitops do not go together"
            raise SpecError(Problem("SRV724", message, hint=hint))
    if options.revision == "HEAD" and tool != ARGOCD:
        message = "Flux has no HEAD of a repository"
        hint = "write the branch, such as main"
        raise SpecError(Problem("SRV725", message, field="--revision", hint=hint))
    if options.server:
        _require_server(options.server)


def _require_server(server: str) -> None:
    try:
        parts = urlsplit(server)
        is_address = parts.scheme == "https" and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_address = False
    if not is_address or "@" in parts.netloc or parts.query or parts.fragment:
        message = "--server is not the address of a Kubernetes API"
        hint = f"write it as Argo CD knows the cluster, such as {argocd.THIS_CLUSTER}"
        raise SpecError(Problem("SRV727", message, field="--server", hint=hint))


def _refuse_rendered(root: Path, environment: str, to: Path) -> None:
    """What lies among the rendered files is applied with them, into the models' namespace."""
    if to.resolve().is_relative_to((root / RENDERED_FOLDER).resolve()):
        message = "the file would be applied with the models, whose folder it names"
        hint = f"write it elsewhere, such as gitops/{environment}.yaml"
        raise SpecError(Problem("SRV726", message, Location(to), field="--to", hint=hint))


def _header(tool: str, environment: str, options: GitOpsOptions) -> str:
    """A comment with the command that makes the same again."""
    words = ["servestack", "gitops", tool, environment, "--repository", options.repository]
    if options.revision != "main":
        words += ["--revision", options.revision]
    for option in ("name", "namespace", "server", "app_project", "secret"):
        if value := getattr(options, option):
            words += [f"--{option.replace('_', '-')}", value]
    words += ["--own-project"] if options.own_project else []
    words += ["--cascade"] if options.cascade else []
    return f"# Generated; do not edit, but run again: {shlex.join(words)}\n"


def _put(text: str, to: Path | None, *, check: bool) -> None:
    if to is None:
        write(text)
    elif check:
        if not _is_same(to, text):
            say(f"{to}: stale; run the command again without --check")
            raise typer.Exit(1)
        say(f"{to}: fresh")
    else:
        try:
            write_atomically(to, text)
        except OSError as error:
            message = f"cannot be written: {error.strerror or error}"
            raise RenderError(Problem("SRV304", message, Location(to))) from None
        say(f"{to}: written")


def _is_same(file: Path, text: str) -> bool:
    try:
        return file.read_bytes() == text.encode()
    except FileNotFoundError:
        return False
    except OSError as error:
        message = f"cannot be read: {error.strerror or error}"
        raise RenderError(Problem("SRV101", message, Location(file))) from None
