"""Parses the command line. Each command imports and calls one function."""

from __future__ import annotations

import sys
from copy import copy
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from servestack.cli.output import say, say_problems, write
from servestack.errors import Problem, ServestackError, SpecError

if TYPE_CHECKING:
    from servestack.spec.model_files import Selection

app = typer.Typer(
    name="servestack",
    help="One small typed file per model becomes everything that serves it.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class DiffOutput(StrEnum):
    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


class CheckOutput(StrEnum):
    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    SARIF = "sarif"


class FailOn(StrEnum):
    SECURITY = "security"
    DATA = "data"
    AVAILABILITY = "availability"
    RESTART = "restart"


class EventKind(StrEnum):
    PREDICTIONS = "predictions"
    FEEDBACK = "feedback"
    ACCESS = "access"
    CUSTOM = "custom"


class EventJoin(StrEnum):
    FEEDBACK = "feedback"


class EventOutput(StrEnum):
    NDJSON = "ndjson"
    PARQUET = "parquet"


class ExperimentOutput(StrEnum):
    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


class ExperimentFailure(StrEnum):
    NO_VERDICT = "no-verdict"
    GUARDRAIL = "guardrail"
    KEEP_GOING = "keep-going"


class TopicsOutput(StrEnum):
    TEXT = "text"
    JSON = "json"


class PlainOutput(StrEnum):
    TEXT = "text"
    JSON = "json"


class GitOpsTool(StrEnum):
    ARGOCD = "argocd"
    FLUX = "flux"


class SchemaKind(StrEnum):
    MODEL_SERVICE = "model-service"
    ENVIRONMENT = "environment"
    FOLDER = "folder"


Project = Annotated[
    Path | None,
    typer.Option(
        "--project",
        "-C",
        help="Folder of the project. Default: the nearest one at or above the current folder.",
    ),
]
Environment = Annotated[str, typer.Argument(help="Name of the environment, such as prod.")]
Environments = Annotated[
    list[str] | None, typer.Argument(help="Names of environments. Default: all.")
]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", help="Name of a model; may be repeated. Default: all models."),
]
Folders = Annotated[
    list[Path] | None,
    typer.Option("--folder", help="Folder of models, such as models/growth; may be repeated."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


def _show_version(asked: bool) -> None:
    if asked:
        from servestack import __version__

        write(f"servestack {__version__}\n")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Folder of the new project.")] = Path(),
) -> None:
    """Create a project: a first model, two environments, a Pulumi program. Overwrites nothing."""
    from servestack.cli.start_commands import init as run

    run(folder)


@app.command()
def new(
    artifact: Annotated[
        str,
        typer.Option("--from", help="Address of the artifact, such as models:/iris@production."),
    ],
    name: Annotated[
        str | None, typer.Argument(help="Name of the model. Default: the registered name.")
    ] = None,
    tracking_uri: Annotated[
        str | None,
        typer.Option(
            help="MLflow server to read signature and example from. Default: MLFLOW_TRACKING_URI, "
            "or the server of an environment."
        ),
    ] = None,
    project: Project = None,
) -> None:
    """Write a spec for a model, with the input of its MLflow signature filled in."""
    from servestack.cli.start_commands import new as run

    run(find_project(project), name, artifact, tracking_uri)


@app.command()
def lock(
    environments: Environments = None,
    model: Models = None,
    folder: Folders = None,
    refresh: Annotated[bool, typer.Option(help="Fetch and digest every artifact again.")] = False,
    project: Project = None,
) -> None:
    """Resolve artifacts to exact versions and digests, and write them to the lock file.

    Exit code: 0 if all are locked, 3 if some are and others failed, 1 for an error.
    """
    from servestack.cli.lock_command import lock as run

    root, selection = find_selected(project, model, folder)
    raise typer.Exit(run(root, environments, refresh=refresh, selection=selection))


@app.command()
def promote(
    model: Annotated[str, typer.Argument(help="Name of the model.")],
    source: Annotated[
        str, typer.Argument(metavar="FROM", help="Environment that has the version.")
    ],
    target: Annotated[str, typer.Argument(metavar="TO", help="Environment that is to get it.")],
    prometheus: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Root of the Prometheus that scrapes FROM, to measure the model's objectives there.",
        ),
    ] = None,
    report: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="JSON report for the reviewer, as `servestack shadow --output json` writes it. May "
            "be repeated.",
        ),
    ] = None,
    output: Annotated[
        DiffOutput, typer.Option("--output", "-o", help="Format of the output.")
    ] = DiffOutput.TEXT,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print, and write nothing.")] = False,
    project: Project = None,
) -> None:
    """Copy a model's locked version to another environment, with the evidence for its reviewer."""
    from servestack.cli.version_commands import PromoteOptions
    from servestack.cli.version_commands import promote as run

    options = PromoteOptions(prometheus, report or (), output.value, dry_run)
    run(find_project(project), model, source, target, options)


@app.command()
def rollback(
    model: Annotated[str, typer.Argument(help="Name of the model.")],
    environment: Environment,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION|REVISION",
            help="Version that the lock once had, or git revision. Default: the version before.",
        ),
    ] = None,
    output: Annotated[
        PlainOutput, typer.Option("--output", "-o", help="Format of the output.")
    ] = PlainOutput.TEXT,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print, and write nothing.")] = False,
    project: Project = None,
) -> None:
    """Bring a model's earlier version back into the lock, from git. Other models stay."""
    from servestack.cli.version_commands import rollback as run

    run(find_project(project), model, environment, to, output.value, dry_run=dry_run)


@app.command()
def history(
    model: Annotated[str, typer.Argument(help="Name of the model.")],
    environment: Environment,
    output: Annotated[
        PlainOutput, typer.Option("--output", "-o", help="Format of the output.")
    ] = PlainOutput.TEXT,
    project: Project = None,
) -> None:
    """Show which version of a model an environment had, from when to when, and who approved it."""
    from servestack.cli.version_commands import history as run

    run(find_project(project), model, environment, output.value)


@app.command()
def render(
    environments: Environments = None,
    check: Annotated[bool, typer.Option("--check", help="Fail if rendered/ is stale.")] = False,
    stdout: Annotated[
        bool, typer.Option("--stdout", help="Print instead of writing files.")
    ] = False,
    prune: Annotated[
        bool,
        typer.Option("--prune", help="Delete what is left of environments that do not exist."),
    ] = False,
    model: Models = None,
    folder: Folders = None,
    project: Project = None,
) -> None:
    """Write rendered/<env>/: plain YAML for `kubectl apply --server-side -R -f`."""
    from servestack.cli.render_command import render as run

    root, selection = find_selected(project, model, folder)
    run(root, environments, check=check, stdout=stdout, prune=prune, selection=selection)


@app.command()
def gitops(
    tool: Annotated[GitOpsTool, typer.Argument(help="Controller that applies rendered/.")],
    environment: Environment,
    repository: Annotated[
        str,
        typer.Option(
            metavar="URL", help="Address that the controller fetches the repository from."
        ),
    ],
    revision: Annotated[
        str, typer.Option(help="Branch; or refs/tags/…, or the full id of a commit.")
    ] = "main",
    name: Annotated[
        str, typer.Option(help="Name of the objects. Default: <repository>-<environment>.")
    ] = "",
    namespace: Annotated[
        str, typer.Option(help="Namespace of the objects. Default: argocd, or flux-system.")
    ] = "",
    server: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="argocd: API of the models' cluster. Default: Argo CD's own cluster.",
        ),
    ] = "",
    app_project: Annotated[
        str, typer.Option(help="argocd: name of the AppProject. Default: default.")
    ] = "",
    own_project: Annotated[
        bool,
        typer.Option(
            "--own-project",
            help="argocd: add an AppProject that allows this repository and environment only.",
        ),
    ] = False,
    secret: Annotated[
        str, typer.Option(help="flux: Secret with the credentials of the repository.")
    ] = "",
    cascade: Annotated[
        bool, typer.Option("--cascade", help="Delete the models when the object is deleted.")
    ] = False,
    to: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File to write. Default: stdout.")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="With --to: fail if it is stale.")] = False,
    project: Project = None,
) -> None:
    """Print the objects that make Argo CD or Flux apply rendered/<env>/."""
    from servestack.cli.gitops_command import GitOpsOptions
    from servestack.cli.gitops_command import gitops as run

    options = GitOpsOptions(
        repository, revision, name, namespace, server, app_project, own_project, secret, cascade
    )
    run(find_project(project), tool.value, environment, options, to, check=check)


@app.command()
def diff(
    environments: Environments = None,
    against: Annotated[
        str | None,
        typer.Option(help="Git revision to compare with. Default: the files in rendered/."),
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Compare with the cluster: what applying would change.")
    ] = False,
    kubeconfig: Annotated[
        Path | None,
        typer.Option(help="With --live: kubeconfig to use. Default: the environment's."),
    ] = None,
    context: Annotated[
        str | None, typer.Option(help="With --live: context to use. Default: the environment's.")
    ] = None,
    output: Annotated[
        DiffOutput, typer.Option("--output", "-o", help="Format of the output.")
    ] = DiffOutput.TEXT,
    fail_on: Annotated[
        list[FailOn] | None,
        typer.Option(
            help="End with 3 if a change has this category, else with 0. May be repeated."
        ),
    ] = None,
    model: Models = None,
    folder: Folders = None,
    project: Project = None,
) -> None:
    """Show what a change does. Exit code: 0 for no changes, 2 for changes, 1 for an error."""
    categories = tuple(category.value for category in fail_on or ())
    if (live and (against or model or folder)) or (not live and (kubeconfig or context)):
        hint = (
            "use --kubeconfig and --context only with --live, and --against, --model and --folder "
            "only without it"
        )
        raise SpecError(Problem("SRV154", "these options of diff exclude each other", hint=hint))
    if live:
        from servestack.cli.live_command import LiveOptions, diff_live

        options = LiveOptions(kubeconfig, context)
        root = find_project(project)
        raise typer.Exit(diff_live(root, environments, options, output.value, categories))
    from servestack.cli.review_commands import diff as run

    root, selection = find_selected(project, model, folder)
    raise typer.Exit(run(root, environments, against, output.value, categories, selection))


@app.command()
def check(
    environments: Environments = None,
    output: Annotated[
        CheckOutput, typer.Option("--output", "-o", help="Format of the output.")
    ] = CheckOutput.TEXT,
    model: Models = None,
    folder: Folders = None,
    project: Project = None,
) -> None:
    """Check models against the Kubernetes API and the policy. Exit code: 1 for an error."""
    from servestack.cli.review_commands import check as run

    root, selection = find_selected(project, model, folder)
    raise typer.Exit(run(root, environments, output.value, selection))


@app.command()
def serve(
    spec: Annotated[str, typer.Argument(help="Path of a spec, or name of its model.")],
    environment: Annotated[
        str | None,
        typer.Option(
            "--environment",
            "-e",
            help="Environment whose settings apply. Default: dev, or the first.",
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8080,
    events: Annotated[
        Path | None, typer.Option(help="Folder for events. Default: events are not written.")
    ] = None,
    api_keys: Annotated[
        Path | None, typer.Option(help="File with accepted API keys, one per line.")
    ] = None,
    project: Project = None,
) -> None:
    """Run a model on this machine, without a cluster, with its Swagger page."""
    from servestack.local.serve import serve as run
    from servestack.local.settings import ServeOptions

    options = ServeOptions(host, port, events, api_keys)
    root = find_project(project)
    raise typer.Exit(run(root, spec, environment, options, say=say, write=write))


@app.command()
def events(
    environment: Environment,
    model: Annotated[str, typer.Argument(help="Name of the model.")],
    kind: Annotated[EventKind, typer.Option(help="Kind of events.")] = EventKind.PREDICTIONS,
    since: Annotated[
        str | None,
        typer.Option(help="Only events from then on: 90s, 15m, 1h, 7d, or a time in UTC."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Only events before then, written as for --since.")
    ] = None,
    ids: Annotated[
        str | None,
        typer.Option(help="Only events of these ids: with commas between, or a file of lines."),
    ] = None,
    join: Annotated[
        EventJoin | None, typer.Option(help="Add to each prediction the feedback to it.")
    ] = None,
    shadow: Annotated[
        bool, typer.Option("--shadow", help="Events of the model's shadow, instead of its own.")
    ] = False,
    limit: Annotated[int | None, typer.Option(help="Most events to read.", min=1)] = None,
    output: Annotated[
        EventOutput, typer.Option("--output", "-o", help="Format of the output.")
    ] = EventOutput.NDJSON,
    to: Annotated[
        Path | None, typer.Option(help="File to write, whole or not at all. Default: stdout.")
    ] = None,
    client_config: Annotated[
        Path | None,
        typer.Option(help="File with properties of librdkafka, such as bootstrap.servers=…"),
    ] = None,
    project: Project = None,
) -> None:
    """Read a model's events from Kafka, with credentials of your own: KAFKA_USERNAME and so on."""
    from servestack.cli.events_command import EventsOptions
    from servestack.cli.events_command import events as run

    options = EventsOptions(
        kind.value, since, until, ids, join is not None, shadow, limit,
        output is EventOutput.PARQUET, to, client_config,
    )  # fmt: skip
    run(find_project(project), environment, model, options)


@app.command()
def shadow(
    environment: Environment,
    model: Annotated[str, typer.Argument(help="Name of the model.")],
    since: Annotated[
        str | None,
        typer.Option(help="Only events from then on: 90s, 15m, 1h, 7d, or a time in UTC."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Only events before then, written as for --since.")
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option(help="Difference of two numbers up to which they are in agreement.", min=0),
    ] = 1e-6,
    output: Annotated[
        TopicsOutput, typer.Option("--output", "-o", help="Format of the output.")
    ] = TopicsOutput.TEXT,
    client_config: Annotated[
        Path | None,
        typer.Option(help="File with properties of librdkafka, such as bootstrap.servers=…"),
    ] = None,
    project: Project = None,
) -> None:
    """Compare a model's answers with its shadow's, by their events in Kafka."""
    from servestack.cli.shadow_command import ShadowOptions
    from servestack.cli.shadow_command import shadow as run

    options = ShadowOptions(
        since, until, tolerance, output is TopicsOutput.JSON, client_config
    )  # fmt: skip
    run(find_project(project), environment, model, options)


@app.command()
def experiment(
    environment: Environment,
    model: Annotated[str, typer.Argument(help="Name of the model whose spec has the experiment.")],
    since: Annotated[
        str | None,
        typer.Option(
            help="Instead of the spec's experiment.start: 90s, 15m, 1h, 7d, or a time in UTC."
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="The look as it was then, written as for --since.")
    ] = None,
    output: Annotated[
        ExperimentOutput, typer.Option("--output", "-o", help="Format of the output.")
    ] = ExperimentOutput.TEXT,
    fail_on: Annotated[
        list[ExperimentFailure] | None,
        typer.Option(help="End with 3 if this is the verdict. May be repeated."),
    ] = None,
    client_config: Annotated[
        Path | None,
        typer.Option(help="File with properties of librdkafka, such as bootstrap.servers=…"),
    ] = None,
    project: Project = None,
) -> None:
    """Judge an experiment by the events and the feedback in Kafka. Look as often as you like."""
    from servestack.cli.experiment_command import ExperimentOptions
    from servestack.cli.experiment_command import experiment as run

    words = tuple(word.value for word in fail_on or ())
    options = ExperimentOptions(since, until, output.value, words, client_config)
    run(find_project(project), environment, model, options)


@app.command()
def topics(
    environment: Environment,
    apply: Annotated[
        bool,
        typer.Option("--apply", help="Create missing topics, and change settings that differ."),
    ] = False,
    raise_partitions: Annotated[
        bool,
        typer.Option(
            "--raise-partitions",
            help="With --apply: add partitions where there are too few. Events of one key then go "
            "to another partition than before.",
        ),
    ] = False,
    client_config: Annotated[
        Path | None,
        typer.Option(
            help="File with properties of librdkafka, name=value as for `kcat -F`. It wins over "
            "KAFKA_USERNAME, KAFKA_PASSWORD and the environment."
        ),
    ] = None,
    output: Annotated[
        TopicsOutput, typer.Option("--output", "-o", help="Format of the output.")
    ] = TopicsOutput.TEXT,
    model: Models = None,
    folder: Folders = None,
    project: Project = None,
) -> None:
    """Show how Kafka's topics differ from those that the models need. Never deletes one.

    Exit code: 0 if nothing differs, 2 if something does (with --apply: still does), 1 for an error.
    """
    from servestack.cli.topics_command import TopicsOptions
    from servestack.cli.topics_command import topics as run

    if raise_partitions and not apply:
        hint = "write both, or neither to see the plan"
        message = "--raise-partitions works with --apply alone"
        raise SpecError(Problem("SRV559", message, hint=hint))
    root, selection = find_selected(project, model, folder)
    options = TopicsOptions(apply, raise_partitions, client_config, output.value)
    raise typer.Exit(run(root, environment, options, selection))


@app.command()
def explain(
    subject: Annotated[
        str, typer.Argument(help="A model, a field of the spec, or a rendered file.")
    ],
    environment: Annotated[
        str | None, typer.Argument(help="With a model: the environment.")
    ] = None,
    field: Annotated[
        str, typer.Argument(help="With a model: a field such as autoscaling.min.")
    ] = "",
    project: Project = None,
) -> None:
    """Show where a value came from, what a field means, or which builder made a file."""
    from servestack.cli.review_commands import explain as run

    run(project, subject, environment, field)


@app.command()
def schema(
    kind: Annotated[
        SchemaKind, typer.Argument(help="Which file the schema is for.")
    ] = SchemaKind.MODEL_SERVICE,
) -> None:
    """Print the JSON schema of a spec, an environment or a folder, for editors."""
    from servestack.cli.output import write
    from servestack.spec.schema import schema_text

    write(schema_text(kind.value))


@app.command()
def handover(
    environment: Environment,
    kubeconfig: Annotated[
        Path | None, typer.Option(help="Kubeconfig to use. Default: the environment's.")
    ] = None,
    context: Annotated[
        str | None, typer.Option(help="Context to use. Default: the environment's.")
    ] = None,
    project: Project = None,
) -> None:
    """Keep the number of pods while autoscaling replaces `replicas`. `up` does so itself."""
    from servestack.cli.handover_command import handover as run
    from servestack.cli.live_command import LiveOptions

    run(find_project(project), environment, LiveOptions(kubeconfig, context))


@app.command()
def preview(environment: Environment, project: Project = None) -> None:
    """Show what `up` would do, through Pulumi."""
    from servestack.cli.pulumi_commands import preview as run

    run(find_project(project), environment)


@app.command()
def up(environment: Environment, yes: Yes = False, project: Project = None) -> None:
    """Apply what is declared to the cluster, through Pulumi."""
    from servestack.cli.pulumi_commands import up as run

    run(find_project(project), environment, yes=yes)


@app.command()
def destroy(environment: Environment, yes: Yes = False, project: Project = None) -> None:
    """Delete everything that `up` created."""
    from servestack.cli.pulumi_commands import destroy as run

    run(find_project(project), environment, yes=yes)


@app.command()
def wait(
    environment: Environment,
    models: Annotated[
        list[str] | None, typer.Argument(help="Names of models. Default: all of the environment.")
    ] = None,
    timeout: Annotated[str, typer.Option(help="Longest time to wait: 90s, 30m, 2h.")] = "30m",
    kubeconfig: Annotated[
        Path | None, typer.Option(help="Kubeconfig to use. Default: the environment's.")
    ] = None,
    context: Annotated[
        str | None, typer.Option(help="Context to use. Default: the environment's.")
    ] = None,
    output: Annotated[
        PlainOutput, typer.Option("--output", "-o", help="Format of the output.")
    ] = PlainOutput.TEXT,
    project: Project = None,
) -> None:
    """Wait until the cluster runs the versions that git says. Exit code: 1 if it does not.

    It ends as soon as a rollout has failed.
    """
    from servestack.cli.live_command import LiveOptions
    from servestack.cli.wait_command import wait as run

    options = LiveOptions(kubeconfig, context)
    root = find_project(project)
    raise typer.Exit(run(root, environment, models or (), timeout, options, output.value))


@app.command()
def status(
    environment: Environment,
    live: Annotated[
        bool,
        typer.Option("--live", help="Ask the cluster alone, not Pulumi: for GitOps and kubectl."),
    ] = False,
    check: Annotated[
        bool,
        typer.Option("--check", help="End with 2 if the cluster does not run what git says."),
    ] = False,
    kubeconfig: Annotated[
        Path | None,
        typer.Option(help="With --live: kubeconfig to use. Default: the environment's."),
    ] = None,
    context: Annotated[
        str | None, typer.Option(help="With --live: context to use. Default: the environment's.")
    ] = None,
    output: Annotated[
        PlainOutput | None,
        typer.Option("--output", "-o", help="With --live: format of the output. Default: text."),
    ] = None,
    project: Project = None,
) -> None:
    """Show what is deployed, and where the cluster does not run what git says."""
    if not live and (kubeconfig or context or output):
        hint = "use --kubeconfig, --context and --output only with --live"
        raise SpecError(Problem("SRV699", "these options of status need --live", hint=hint))
    if live:
        from servestack.cli.live_command import LiveOptions
        from servestack.cli.wait_command import StatusOptions, status_live

        options = StatusOptions(check, output is PlainOutput.JSON, LiveOptions(kubeconfig, context))
        raise typer.Exit(status_live(find_project(project), environment, options))
    from servestack.cli.pulumi_commands import status as run

    raise typer.Exit(run(find_project(project), environment, check=check))


def find_project(folder: Path | None) -> Path:
    """Return the project's folder, as `servestack.project.find_root` does."""
    from servestack.project import find_root

    return find_root(folder)


def find_selected(
    project: Path | None, models: list[str] | None, folders: list[Path] | None
) -> tuple[Path, Selection | None]:
    """Return the project's folder, and the selection of --model and --folder."""
    from servestack.spec.model_files import select

    root = find_project(project)
    return root, select(root, models, folders)


def _app_with(names: list[str]) -> typer.Typer:
    """The app with the command that is asked for; typer takes 8 ms to prepare all of them."""
    asked = [c for c in app.registered_commands if c.callback and c.callback.__name__ in names]
    found = copy(app)
    found.registered_commands = asked or app.registered_commands
    return found


def main() -> None:
    """Run the command line. A failure becomes one message and an exit code."""
    try:
        _app_with(sys.argv[1:2])()
    except ServestackError as error:
        say_problems(error.problems)
        sys.exit(1)
    except KeyboardInterrupt:
        say("stopped")
        sys.exit(130)


if __name__ == "__main__":
    main()
