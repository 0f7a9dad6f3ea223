"""The command line as a user runs it: what it prints, where, and how it ends."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from servestack import __version__
from tests.support.projects import REPOSITORY

Run = Callable[..., subprocess.CompletedProcess[str]]
PROGRAM = Path(sys.executable).with_name("servestack")


@pytest.fixture
def run(project: Path) -> Run:
    """Run servestack in the project."""

    def call(*arguments: str, cwd: Path = project) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [PROGRAM, *arguments], cwd=cwd, capture_output=True, text=True, check=False
        )

    return call


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def git(project: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    subprocess.run(["git", *identity, *arguments], cwd=project, check=True, capture_output=True)


def test_render_check_diff_and_back(run: Run, project: Path) -> None:
    assert run("render", "prod", "--check").returncode == 1
    assert run("render").returncode == 0
    assert run("render", "--check").returncode == 0
    assert (project / "rendered/prod/iris/deployment-iris.yaml").exists()
    clean = run("diff", "prod")
    assert (clean.returncode, clean.stdout) == (0, "prod: no changes against rendered/prod\n")
    edit(project / "models/iris.yaml", "max: 10", "max: 12")
    changed = run("diff", "prod")
    assert changed.returncode == 2
    assert "~ spec.maxReplicas: 10 → 12  (maximum capacity 10→12)" in changed.stdout
    stale = run("render", "prod", "--check")
    assert stale.returncode == 1
    assert "horizontalpodautoscaler-iris.yaml: differs" in stale.stderr


def test_a_taken_away_model_is_pruned(run: Run, project: Path) -> None:
    run("render", "dev")
    (project / "models/iris.yaml").unlink()
    assert run("render", "dev").returncode == 0
    assert not (project / "rendered/dev/iris").exists()
    assert (project / "rendered/dev/_environment").exists()


def test_diff_against_a_revision_names_the_cause(run: Run, project: Path) -> None:
    git(project, "init", "-q")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "first")
    edit(project / "models/iris.yaml", "max: 10", "max: 12")
    changed = run("diff", "prod", "--against", "HEAD")
    assert changed.returncode == 2
    assert "models/iris.yaml: autoscaling.max 10 → 12" in changed.stdout
    edit(project / "stacks/prod.yaml", "inFlightPerPod: 8", "inFlightPerPod: 9")
    both = run("diff", "prod", "--against", "HEAD", "-o", "json")
    (model,) = json.loads(both.stdout)["models"]
    assert model["causes"] == [
        "models/iris.yaml: autoscaling.max 10 → 12",
        "stacks/prod.yaml: defaults.autoscaling.inFlightPerPod 8 → 9",
    ]
    unknown = run("diff", "prod", "--against", "nowhere")
    assert unknown.returncode == 1
    assert "SRV232 git does not know the revision 'nowhere'" in unknown.stderr


def test_fail_on_a_category(run: Run, project: Path) -> None:
    assert run("render", "prod").returncode == 0
    assert run("diff", "prod", "--fail-on", "security").returncode == 0
    edit(project / "models/iris.yaml", "max: 10", "max: 12")
    capacity = run("diff", "prod", "--fail-on", "security")
    assert capacity.returncode == 0
    assert "maximum capacity 10→12" in capacity.stdout
    both = run("diff", "prod", "--fail-on", "security", "--fail-on", "availability")
    assert both.returncode == 3
    edit(project / "models/iris.yaml", "api:\n", "trust: {code: true}\napi:\n")
    trusted = run("diff", "prod", "--fail-on", "security")
    assert trusted.returncode == 3
    first = trusted.stdout.splitlines()[0]
    assert first == "security: iris: Python code from the artifact runs in the pod"
    assert run("diff", "prod").returncode == 2
    assert run("diff", "prod", "--fail-on", "everything").returncode == 2


def test_a_loosened_guard_rail_is_told_against_a_revision(run: Run, project: Path) -> None:
    """It changes no object, so that rendered files cannot show it."""
    git(project, "init", "-q")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "first")
    edit(project / "stacks/prod.yaml", "  requireTls: true\n", "")
    done = run("diff", "prod", "--against", "HEAD", "--fail-on", "security")
    assert done.returncode == 3
    assert done.stdout.splitlines() == [
        "security: environment: models may be reached without TLS from outside",
        "",
        "environment",
        "  stacks/prod.yaml: guardRails.requireTls true → nothing",
        "  → security: models may be reached without TLS from outside",
        "  ~ guardRails.requireTls: true → false  (security: models may be reached without TLS "
        "from outside)",
        "",
        "prod: 1 environment setting changes against HEAD",
    ]
    data = json.loads(run("diff", "prod", "--against", "HEAD", "-o", "json").stdout)
    (group,) = data["models"]
    assert (data["categories"], group["name"], group["objects"]) == (["security"], "", [])
    assert group["settings"][0]["category"] == "security"
    comment = run("diff", "prod", "--against", "HEAD", "-o", "github").stdout
    assert "> - **environment**: models may be reached without TLS from outside" in comment


@pytest.mark.parametrize("output", ["json", "github"])
def test_diff_for_programs(run: Run, project: Path, output: str) -> None:
    done = run("diff", "prod", "-o", output)
    assert done.returncode == 2
    if output == "json":
        (model,) = [m for m in json.loads(done.stdout)["models"] if m["name"] == "iris"]
        assert {entry["operation"] for entry in model["objects"]} == {"add"}
    else:
        assert done.stdout.startswith("### prod: 15 objects change")


def test_check_ends_with_1_for_an_error_alone(run: Run, project: Path) -> None:
    assert run("check", "prod").returncode == 0
    edit(project / "models/iris.yaml", "owner: growth-ml\n", "")
    broken = run("check", "prod")
    assert broken.returncode == 1
    assert "error SRV643 owner: the model has no owner" in broken.stdout
    refused = run("render", "prod")
    assert refused.returncode == 1
    assert not (project / "rendered").exists()


@pytest.mark.parametrize("output", ["json", "sarif"])
def test_check_for_programs(run: Run, output: str) -> None:
    assert json.loads(run("check", "staging", "-o", output).stdout)


def test_data_on_stdout_and_talk_on_stderr(run: Run) -> None:
    done = run("render", "prod", "--stdout")
    assert done.stderr == ""
    assert done.stdout.startswith("# Generated by servestack from stacks/prod.yaml")
    written = run("render", "prod")
    assert written.stdout == ""


def test_explain(run: Run) -> None:
    value = run("explain", "iris", "prod", "autoscaling.min")
    assert value.stdout.splitlines() == [
        "autoscaling.min = 3  (spec)",
        "    default: 2",
        "    spec: 3  models/iris.yaml:12:15",
    ]
    field = run("explain", "autoscaling.max")
    assert (
        field.stdout == "autoscaling.max (whole number, default 6)\n    Maximum number of pods.\n"
    )
    run("render", "prod")
    file = run("explain", "rendered/prod/iris/service-iris.yaml")
    assert "by servestack.manifests.network.build_service" in file.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["render", "prd"],
            "SRV206 no environment is called 'prd'\n    the environments are dev, prod, staging",
        ),
        (
            ["explain", "irs", "prod", "name"],
            "SRV152 prod has no model 'irs'\n    its models: iris",
        ),
        (["explain", "iris", "prod", "autoscaling.mn"], "SRV151 there is no field autoscaling.mn"),
        (["explain", "nowhere.yaml"], "SRV153 nowhere.yaml cannot be read"),
        (["explain", "wibble"], "SRV151 there is no field wibble"),
    ],
)
def test_one_clear_error(run: Run, arguments: list[str], words: str) -> None:
    done = run(*arguments)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_an_error_shows_no_secret_and_a_warning_neither(
    run: Run, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from servestack.cli.output import say

    stack = project / "stacks/prod.yaml"
    stack.write_text(stack.read_text() + "fetch: {secret: hunter2 hunter2}\n")
    failed = run("render", "prod")
    assert failed.returncode == 1
    assert "hunter2" not in failed.stdout + failed.stderr
    say("pulumi: --password=hunter2hunter2")
    assert capsys.readouterr().err == "pulumi: --password=(masked)\n"


def test_outside_a_project(run: Run, tmp_path: Path) -> None:
    done = run("render", cwd=tmp_path)
    assert done.returncode == 1
    assert "SRV205" in done.stderr


def test_a_project_is_found_from_below(run: Run, project: Path) -> None:
    assert run("check", "prod", cwd=project / "models").returncode == 0


def test_broken_files_are_all_told_and_nothing_is_written(run: Run, project: Path) -> None:
    (project / "models/a.yaml").write_text("name: [\n")
    (project / "models/b.yaml").write_text("apiVersion: servestack/v1\nkind: Modl\n")
    edit(project / "stacks/prod.yaml", "minReplicas: 2", "minReplicas: many")
    done = run("render", "prod")
    assert done.returncode == 1
    for words in ("stacks/prod.yaml:", "models/a.yaml:", "models/b.yaml:2:1: SRV116 kind"):
        assert words in done.stderr
    assert not (project / "rendered").exists()


def test_two_models_with_one_name(run: Run, project: Path) -> None:
    shutil.copy(project / "models/iris.yaml", project / "models/other.yaml")
    done = run("check", "prod")
    assert "SRV204 name: 'iris' is also the name of models/iris.yaml" in done.stderr


def test_an_unwritable_project(run: Run, project: Path) -> None:
    (project / "rendered").write_text("a file where the folder should be")
    done = run("render", "prod")
    assert done.returncode == 1
    assert "SRV304" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_goes_away_is_no_error() -> None:
    done = subprocess.run(
        f"{PROGRAM} render prod --stdout | head -c 100", cwd=REPOSITORY, shell=True,
        executable="/bin/bash", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_without_pulumi_its_verbs_say_where_to_get_it(project: Path) -> None:
    done = subprocess.run(
        [PROGRAM, "preview", "prod"], cwd=project, capture_output=True, text=True, check=False,
        env=os.environ | {"PATH": str(PROGRAM.parent)},
    )  # fmt: skip
    assert done.returncode == 1
    assert "SRV511 the Pulumi CLI is not installed" in done.stderr
    assert "Traceback" not in done.stderr


def test_init_and_new_make_a_project_that_works(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "fresh"
    assert run("init", str(folder)).returncode == 0
    assert (folder / ".gitignore").exists()
    (folder / "models/iris.yaml").unlink()
    assert run("new", "baked", "--from", "/opt/models/iris", cwd=folder).returncode == 0
    assert run("render", cwd=folder).returncode == 0
    assert (folder / "rendered/prod/baked/deployment-baked.yaml").exists()
    logged = run("new", "--from", f"models:/m-{'0' * 32}", cwd=folder)
    assert (logged.returncode, "SRV161 give the model a name" in logged.stderr) == (1, True)
    latest = run("new", "--from", "models:/Iris Classifier@latest", cwd=folder)
    assert (latest.returncode, "SRV115 artifact: 'latest' is" in latest.stderr) == (1, True)
    nothing = run("new", "--from", "bogus", cwd=folder)
    assert (nothing.returncode, "SRV161" in nothing.stderr) == (1, True)
    bad = run("new", "Bad", "--from", "/opt/models/iris", cwd=folder)
    assert "SRV115 name: 'Bad' is not allowed" in bad.stderr
    assert not (folder / "models/Bad.yaml").exists()


def test_render_and_help_import_neither_pulumi_nor_mlflow(project: Path) -> None:
    program = (
        "import sys\n"
        "sys.argv = ['servestack', *sys.argv[1:]]\n"
        "from servestack.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "names = {'pulumi', 'pulumi_kubernetes', 'mlflow', 'rich', 'pandas', 'grpc', 'kubernetes', 'urllib3'}\n"
        "heavy = names & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    for arguments in (["--help"], ["render", "prod"], ["diff", "prod"], ["check", "prod"]):
        done = subprocess.run(
            [sys.executable, "-c", program, *arguments], cwd=project, capture_output=True, text=True,
            check=False, env=os.environ | {"NO_COLOR": "1"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


def test_committed_generated_files_are_fresh() -> None:
    for program in (["-m", "tools.docs"], ["-m", "tools.dashboards"]):
        done = subprocess.run(
            [sys.executable, *program, "--check"], cwd=REPOSITORY, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_the_version(run: Run) -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"servestack {__version__}\n")


def test_a_reader_that_has_enough_is_no_error(project: Path) -> None:
    """As `head` is, which closes the pipe."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing) as closed:
        command = [str(PROGRAM), "render", "prod", "--stdout"]
        done = subprocess.run(
            command, cwd=project, stdout=closed, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (0, "")
