"""Several teams and several environments in one project: nobody waits for another's mistake, and
nothing is overwritten or left behind in silence."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml

from servestack.claims import find_claims
from servestack.cli.lock_command import PARTLY
from servestack.cli.main import main
from servestack.errors import SpecError
from servestack.project import build_environment
from servestack.review.explain import explain
from servestack.spec.model_files import load_model_files
from tests.support.services import ENVIRONMENT, SPEC, merged, write


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it printed."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]
SETTINGS: dict[str, Any] = merged(ENVIRONMENT, {"guardRails": {"requireOwner": False}})
TEAMS = {"iris": "growth", "churn": "sales", "fraud": "risk"}


@pytest.fixture
def teams(tmp_path: Path) -> Path:
    """Three teams with one model each, whose artifacts are files that can change."""
    root = tmp_path / "project"
    write(root / "stacks/prod.yaml", SETTINGS)
    for name, team in TEAMS.items():
        own = {"name": name, "artifact": f"file:artifacts/{name}.onnx"}
        write(root / f"models/{team}/{name}.yaml", merged(SPEC, own))
        artifact(root, name, "1")
    return root


@pytest.fixture
def run(teams: Path) -> Run:
    """Run servestack in the project, in this process: there are too many calls to start one each."""

    def call(*arguments: str, cwd: Path = teams) -> Done:
        out, err, code = StringIO(), StringIO(), 0
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            patch.setattr(sys, "argv", ["servestack", *arguments])
            patch.chdir(cwd)
            try:
                main()
            except SystemExit as end:
                code = int(end.code or 0)
        return Done(code, out.getvalue(), err.getvalue())

    return call


def artifact(root: Path, name: str, content: str) -> None:
    file = root / f"artifacts/{name}.onnx"
    file.parent.mkdir(exist_ok=True)
    file.write_text(content)


def edit(file: Path, **values: Any) -> None:
    write(file, merged(yaml.safe_load(file.read_text()), values))


def lines(root: Path, *names: str) -> dict[str, str]:
    """The lock's line of each model's artifact."""
    text = (root / "stacks/prod.lock.yaml").read_text().splitlines()
    return {name: text[text.index(f"  {name}:") + 1] for name in names or TEAMS}


def test_one_team_locks(teams: Path, run: Run) -> None:
    assert run("lock").returncode == 0
    before = lines(teams)
    for name in TEAMS:
        artifact(teams, name, "2")
    done = run("lock", "--folder", "models/risk")
    assert (done.returncode, "fraud: moved" in done.stderr) == (0, True)
    assert "iris" not in done.stderr
    after = lines(teams)
    assert [name for name in TEAMS if before[name] != after[name]] == ["fraud"]
    assert run("lock", "--model", "iris", "--model", "fraud").returncode == 0
    assert [name for name in TEAMS if lines(teams)[name] == before[name]] == ["churn"]


@pytest.mark.parametrize("broken", ["name: [\n", "kind: Modl\nname: churn\n", "name: churn\n"])
def test_one_teams_mistake_stops_no_other(teams: Path, run: Run, broken: str) -> None:
    assert run("lock").returncode == 0
    before = lines(teams)
    for name in TEAMS:
        artifact(teams, name, "2")
    (teams / "models/sales/churn.yaml").write_text(broken)
    done = run("lock", "--folder", "models/risk")
    assert (done.returncode, "churn" in done.stderr) == (0, False), done.stderr
    done = run("lock")
    assert done.returncode == PARTLY
    assert "models/sales/churn.yaml:" in done.stderr
    after = lines(teams)
    assert after["churn"] == before["churn"], "a broken file must not lose what is locked"
    assert after["iris"] != before["iris"]


def test_an_artifact_that_is_not_there_stops_no_other(teams: Path, run: Run) -> None:
    assert run("lock").returncode == 0
    before = lines(teams)
    artifact(teams, "iris", "2")
    (teams / "artifacts/churn.onnx").unlink()
    done = run("lock")
    assert done.returncode == PARTLY
    assert "models/sales/churn.yaml:4:1: SRV226 artifact: " in done.stderr
    assert "churn: kept" in done.stderr
    after = lines(teams)
    assert (after["churn"], after["iris"] != before["iris"]) == (before["churn"], True)


def test_where_nothing_can_be_locked_nothing_is_written(teams: Path, run: Run) -> None:
    assert run("lock").returncode == 0
    (teams / "stacks/prod.lock.yaml").touch()
    written = (teams / "stacks/prod.lock.yaml").stat().st_mtime_ns
    for file in (teams / "artifacts").iterdir():
        file.unlink()
    done = run("lock")
    assert (done.returncode, "SRV226" in done.stderr) == (1, True)
    assert (teams / "stacks/prod.lock.yaml").stat().st_mtime_ns == written


def test_an_environment_that_is_not_valid_stops_no_other(teams: Path, run: Run) -> None:
    (teams / "stacks/dev.yaml").write_text("kind: Environment\n")
    done = run("lock")
    assert done.returncode == PARTLY
    assert "stacks/dev.yaml:" in done.stderr
    assert set(lines(teams)) == set(TEAMS)


def test_an_override_that_breaks_one_model_stops_no_other(teams: Path, run: Run) -> None:
    edit(teams / "stacks/prod.yaml", overrides={"iris": {"autoscaling": {"max": 2}}})
    edit(teams / "models/growth/iris.yaml", autoscaling={"min": 3, "max": 5})
    done = run("lock")
    assert done.returncode == PARTLY
    assert "SRV125" in done.stderr
    assert run("lock", "--model", "churn").returncode == 0


def test_a_removed_model_leaves_the_lock_only_when_it_is_asked_for(teams: Path, run: Run) -> None:
    assert run("lock").returncode == 0
    (teams / "models/sales/churn.yaml").unlink()
    assert run("lock", "--model", "iris").returncode == 0
    assert lines(teams, "churn")
    assert "churn: removed" in run("lock", "--model", "churn").stderr
    assert run("lock", "--model", "churn").returncode == 1, "now nobody has that name"
    assert run("lock").returncode == 0


def test_a_lock_with_a_conflict_keeps_what_nobody_asks_for(teams: Path, run: Run) -> None:
    """Whoever locks all may write it again. Whoever locks one would lose the others' lines."""
    assert run("lock").returncode == 0
    file = teams / "stacks/prod.lock.yaml"
    conflict = file.read_text() + "<<<<<<< ours\n"
    file.write_text(conflict)
    done = run("lock", "--model", "iris")
    assert (done.returncode, "SRV212" in done.stderr) == (1, True)
    assert file.read_text() == conflict
    assert run("lock").returncode == 0
    assert set(lines(teams)) == set(TEAMS)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model", "irs"], "SRV209 no model is called 'irs'\n    the models are churn, fraud"),
        (["--folder", "models/gone"], "models/gone: SRV209 is no folder of models"),
        (["--folder", "stacks"], "stacks: SRV209 is no folder of models"),
        (["--folder", ".."], "..: SRV209 is no folder of models"),
        (["--folder", "models/empty"], "models/empty: SRV209 holds no model"),
    ],
)
@pytest.mark.parametrize("verb", ["lock", "render", "check", "diff"])
def test_a_selection_of_nothing_is_an_error(
    teams: Path, run: Run, verb: str, options: list[str], words: str
) -> None:
    (teams / "models/empty").mkdir()
    done = run(verb, *options)
    assert (done.returncode, words in done.stderr) == (1, True), done.stderr


@pytest.mark.parametrize("folder", ["models/risk", "risk", "models/risk/", "./models/risk"])
def test_a_folder_may_be_written_as_it_is_seen(teams: Path, run: Run, folder: str) -> None:
    assert run("lock", "--folder", folder).returncode == 0
    assert run("lock", "--folder", "../risk", cwd=teams / "models/sales").returncode == 0
    assert set(lines(teams, "fraud")) == {"fraud"}


def test_render_check_and_diff_of_one_team(teams: Path, run: Run) -> None:
    assert run("lock").returncode == 0
    assert run("render").returncode == 0
    others = (
        teams / "rendered/prod/churn/service-churn.yaml",
        teams / "rendered/prod/_environment",
    )
    edit(teams / "models/growth/iris.yaml", service={"port": 8000})
    edit(teams / "models/risk/fraud.yaml", service={"port": 8000})
    (teams / "models/sales/churn.yaml").write_text("name: [\n")
    assert run("check").returncode == 1
    assert run("check", "--model", "iris").returncode == 0
    told = run("diff", "--model", "iris")
    assert (told.returncode, "fraud" in told.stdout, "churn" in told.stdout) == (2, False, False)
    stale = run("render", "--check", "--model", "iris")
    assert (stale.returncode, "fraud" in stale.stderr) == (1, False)
    assert run("render", "--model", "iris").returncode == 0
    assert run("render", "--check", "--model", "iris").returncode == 0
    assert run("diff", "--model", "iris").returncode == 0
    assert all(place.exists() for place in others)
    assert "port: 80\n" in (teams / "rendered/prod/fraud/service-fraud.yaml").read_text()
    assert run("diff", "--model", "fraud").returncode == 2
    assert run("render").returncode == 1, "the whole project is not valid"


def test_explain_and_serve_look_at_one_model(teams: Path, run: Run) -> None:
    assert run("lock").returncode == 0
    (teams / "models/sales/churn.yaml").write_text("name: [\n")
    assert run("explain", "iris", "prod", "name").stdout.startswith("name = iris  (spec)")
    edit(teams / "stacks/prod.yaml", exclude=["iris"])
    (teams / "models/sales/churn.yaml").unlink()
    assert (
        "SRV152 prod has no model 'iris'\n    its models: fraud"
        in run("explain", "iris", "prod").stderr
    )
    (teams / "models/sales/churn.yaml").write_text("name: [\n")
    served = run("serve", "churn", "-e", "prod")
    assert (served.returncode, "models/sales/churn.yaml:" in served.stderr) == (1, True)


def test_a_selected_model_that_no_longer_runs_is_pruned(teams: Path, run: Run) -> None:
    assert run("lock").returncode == 0
    assert run("render").returncode == 0
    edit(teams / "stacks/prod.yaml", exclude=["iris"])
    assert run("render", "--model", "iris").returncode == 0
    assert not (teams / "rendered/prod/iris").exists()
    assert (teams / "rendered/prod/churn").exists()


def test_the_owner_of_a_folder(teams: Path, run: Run) -> None:
    assert run("lock").returncode == 0
    folder = {"apiVersion": "servestack/v1", "kind": "Folder"}
    everyone = {"owner": "platform", "labels": {"example.com/cost": "1"}}
    write(teams / "models/_folder.yaml", folder | {"defaults": everyone})
    write(teams / "models/growth/_folder.yaml", folder | {"defaults": {"owner": "growth-ml"}})
    edit(teams / "models/risk/fraud.yaml", owner="fraud-team")
    edit(
        teams / "stacks/prod.yaml", defaults={"owner": "nobody"}, guardRails={"requireOwner": True}
    )
    built = build_environment(teams, "prod")
    owners = {service.name: service.spec.owner for service in built.services}
    assert owners == {"churn": "platform", "fraud": "fraud-team", "iris": "growth-ml"}
    labels = {m.name: m.body["metadata"]["labels"] for m in built.manifests if m.kind == "Service"}
    assert labels["iris"]["servestack.dev/owner"] == "growth-ml"
    assert {label["example.com/cost"] for label in labels.values()} == {"1"}
    (entry,) = explain(next(s for s in built.services if s.name == "iris"), "owner")
    assert [origin.layer for origin in entry.origins] == [
        "environment",
        "folder models",
        "folder models/growth",
    ]
    assert str(entry.origins[-1].location) == "models/growth/_folder.yaml:4:3"
    assert run("check").returncode == 0


@pytest.mark.parametrize(
    ("text", "id", "field"),
    [
        ("kind: Folder\n", "SRV112", "apiVersion"),
        ("{apiVersion: servestack/v1, kind: Folder, owner: x}", "SRV111", "owner"),
        (
            "{apiVersion: servestack/v1, kind: Folder, defaults: {ownr: x}}",
            "SRV111",
            "defaults.ownr",
        ),
        (
            "{apiVersion: servestack/v1, kind: Folder, defaults: {name: x}}",
            "SRV145",
            "defaults.name",
        ),
        (
            "{apiVersion: servestack/v1, kind: Folder, defaults: {egress: [{ports: [1]}]}}",
            "SRV133",
            "defaults.egress[0]",
        ),
        (
            "{apiVersion: servestack/v1, kind: Folder, defaults: {artifact: 'models:/a/1'}}",
            "SRV145",
            "defaults.artifact",
        ),
    ],
)
def test_a_folder_that_is_not_valid_is_told_once_and_stops_its_own_models(
    teams: Path, text: str, id: str, field: str
) -> None:
    write(teams / "models/growth/more.yaml", merged(SPEC, {"name": "more"}))
    (teams / "models/growth/_folder.yaml").write_text(text)
    files = load_model_files(teams)
    assert {(p.id, p.field, str(p.location).partition(":")[0]) for p in files.problems()} >= {
        (id, field, "models/growth/_folder.yaml")
    }
    assert len(files.problems()) == len(set(files.problems()))
    assert sorted(spec.value.name for spec in files.specs) == ["churn", "fraud"]
    with pytest.raises(SpecError):
        build_environment(teams, "prod")


def test_a_folder_is_the_cause_of_what_changes_in_its_models(teams: Path, run: Run) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
        subprocess.run(["git", *identity, *arguments], cwd=teams, check=True, capture_output=True)

    folder = {"apiVersion": "servestack/v1", "kind": "Folder"}
    write(teams / "models/growth/_folder.yaml", folder | {"defaults": {"owner": "growth"}})
    assert run("lock").returncode == 0
    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "first")
    edit(teams / "models/growth/_folder.yaml", defaults={"owner": "growth-ml"})
    edit(teams / "stacks/prod.yaml", defaults={"service": {"port": 8000}})
    told = run("diff", "prod", "--against", "HEAD", "-o", "json")
    causes = {model["name"]: model["causes"] for model in json.loads(told.stdout)["models"]}
    folders = "models/growth/_folder.yaml: defaults.owner growth → growth-ml"
    assert [name for name, lines in causes.items() if folders in lines] == ["iris"]
    selected = run("diff", "prod", "--against", "HEAD", "-o", "json", "--folder", "growth")
    (model,) = json.loads(selected.stdout)["models"]
    assert model["causes"] == causes["iris"]


def copied(root: Path, name: str, **fields: Any) -> None:
    write(root / f"stacks/{name}.yaml", merged(SETTINGS, {"name": name} | fields))


def claims(root: Path, *asked: str) -> list[tuple[str, str]]:
    found = find_claims(root, asked or None)
    return [(claim.problem.id, str(claim.problem.location)) for claim in found]


@pytest.mark.parametrize("verb", [["check"], ["render"], ["render", "--check"]])
def test_two_environments_one_namespace(teams: Path, run: Run, verb: list[str]) -> None:
    copied(teams, "qa")
    assert run("lock").returncode == 0
    done = run(*verb)
    told = done.stdout + done.stderr
    assert done.returncode == 1
    assert "stacks/qa.yaml:4:1" in told
    assert (
        "'models' of the context 'prod' is also the namespace of prod (stacks/prod.yaml:4:1)"
        in told
    )
    assert "both make Namespace models, NetworkPolicy default-deny, model churn and 2 more" in told
    assert not (teams / "rendered").exists()
    sarif = run("check", "qa", "-o", "sarif")
    assert (sarif.returncode, '"ruleId": "SRV207"' in sarif.stdout) == (1, True)


def test_environments_that_share_nothing_may_share_a_cluster(teams: Path, run: Run) -> None:
    copied(teams, "qa", namespace="qa", ingress={"hostSuffix": "qa.example.com"})
    copied(teams, "far", cluster={"context": "far"})
    copied(teams, "kubeconfig", cluster={"kubeconfig": "other/config"})
    assert claims(teams) == []
    assert run("lock").returncode == 0
    assert run("check").returncode == 0


def test_one_namespace_with_other_models_and_no_common_object(teams: Path) -> None:
    shared = {"createNamespace": False, "network": {"policy": False}}
    edit(teams / "stacks/prod.yaml", exclude=["iris"], **shared)
    copied(teams, "qa", exclude=["churn", "fraud"], **shared)
    assert claims(teams) == []
    copied(teams, "qa", exclude=["churn"], **shared)
    assert claims(teams) == [("SRV207", "stacks/qa.yaml:4:1")]


def test_an_address_in_two_namespaces_of_a_cluster(teams: Path, run: Run) -> None:
    copied(teams, "qa", namespace="qa")
    assert claims(teams) == [
        ("SRV208", f"models/{TEAMS[name]}/{name}.yaml:1:1") for name in ("churn", "fraud", "iris")
    ]
    (claim, *_) = find_claims(teams, ["qa"])
    assert claim.problem.message.startswith(
        "churn.example.com/v1/churn is the address of churn in qa"
    )
    copied(teams, "qa", namespace="qa", ingress={"hostSuffix": "qa.example.com"})
    assert claims(teams) == []
    edit(teams / "models/growth/iris.yaml", ingress={"host": "iris.example.com"})
    assert [id for id, _ in claims(teams)] == ["SRV208"], "a host in the spec holds everywhere"
    assert run("check", "qa").returncode == 1


def test_only_the_environments_that_are_asked_for_are_stopped(teams: Path, run: Run) -> None:
    copied(teams, "qa")
    copied(teams, "far", cluster={"context": "far"})
    assert run("lock").returncode == 0
    assert run("render", "far").returncode == 0
    assert run("render", "prod").returncode == 1


def test_environment_renamed(teams: Path, run: Run) -> None:
    assert run("lock").returncode == 0
    assert run("render").returncode == 0
    (teams / "stacks/prod.yaml").unlink()
    copied(teams, "live")
    assert "stacks/prod.lock.yaml: orphaned" in run("lock").stderr
    rendered = run("render")
    assert rendered.returncode == 0
    files = len(list((teams / "rendered/prod").rglob("*.yaml")))
    told = f"rendered/prod: orphaned: no environment is called 'prod' ({files} files)"
    assert told in rendered.stderr
    assert (teams / "rendered/prod/iris").exists(), "never without being asked"
    checked = run("render", "--check")
    assert (checked.returncode, told in checked.stderr) == (1, True)
    assert run("render", "--check", "live").returncode == 0, (
        "of what is asked for, nothing is stale"
    )
    own = teams / "rendered/prod/iris/notes.txt"
    own.write_text("not made by servestack")
    pruned = run("render", "--prune")
    assert pruned.returncode == 0
    assert [file for file in (teams / "rendered/prod").rglob("*") if file.is_file()] == [own]
    assert not (teams / "stacks/prod.lock.yaml").exists()
    assert (teams / "rendered/live/iris").exists()
    assert run("render", "--check").returncode == 0


def test_what_servestack_did_not_write_is_no_orphan(teams: Path, run: Run, tmp_path: Path) -> None:
    assert run("lock").returncode == 0
    (teams / "rendered/extra").mkdir(parents=True)
    (teams / "rendered/extra/app.yaml").write_text("kind: Application\n")
    (teams / "stacks/other.lock.yaml").write_text("of: another program\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.yaml").write_text("# Generated by servestack from a by b.c. \n")
    (teams / "rendered/linked").symlink_to(elsewhere)
    assert run("render", "--prune").returncode == 0
    assert run("render", "--check").returncode == 0
    assert (teams / "rendered/extra/app.yaml").exists()
    assert (teams / "stacks/other.lock.yaml").exists()
    assert (elsewhere / "a.yaml").exists()


@pytest.mark.parametrize("option", [["--check"], ["--stdout"], ["--model", "iris"]])
def test_prune_goes_with_a_whole_render(run: Run, option: list[str]) -> None:
    done = run("render", "--prune", *option)
    assert (done.returncode, "SRV210" in done.stderr) == (1, True)


def test_crlf_checkout(teams: Path, run: Run) -> None:
    """Git on Windows may check out with CRLF: then nothing is stale, and nothing is written."""
    assert run("lock").returncode == 0
    assert run("render").returncode == 0
    for file in [*(teams / "rendered").rglob("*.yaml"), *(teams / "stacks").glob("*.yaml")]:
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    checked, compared = run("render", "--check"), run("diff")
    assert (checked.returncode, compared.returncode) == (0, 0), checked.stderr + compared.stdout
    assert " 0 written, 0 pruned" in run("render").stderr
    assert "unchanged" in run("lock").stderr
    edit(teams / "models/growth/iris.yaml", service={"port": 8000})
    assert (run("render", "--check").returncode, run("diff").returncode) == (1, 2)
    (teams / "models/growth/iris.yaml").unlink()
    assert run("render").returncode == 0
    assert not (teams / "rendered/prod/iris").exists(), "a file with CRLF is ours all the same"


def test_init_ships_gitattributes_that_keep_lf(run: Run, tmp_path: Path) -> None:
    new = tmp_path / "new"
    assert run("init", str(new)).returncode == 0
    files = ["rendered/prod/iris/service-iris.yaml", "stacks/prod.lock.yaml"]
    told = subprocess.run(
        ["git", "-C", new, "check-attr", "eol", *files], check=True, capture_output=True, text=True
    ).stdout
    assert told.splitlines() == [f"{file}: eol: lf" for file in files]


def test_two_models_one_path(teams: Path, run: Run) -> None:
    shared = {"ingress": {"host": "models.example.com"}}
    edit(teams / "models/growth/iris.yaml", **shared, api={"basePath": "/v1/churn"})
    edit(teams / "models/sales/churn.yaml", **shared)
    assert run("lock").returncode == 0
    done = run("check")
    assert done.returncode == 1
    assert (
        "models/growth/iris.yaml:8:3: SRV203 api.basePath: models.example.com/v1/churn is also the "
        "address of churn (models/sales/churn.yaml:6:3)"
    ) in done.stderr


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ({"api": {"basePath": "/v1"}}, {}, False),
        ({"api": {"basePath": "/v1/m"}}, {"api": {"basePath": "/v1/m/next"}}, False),
        ({"api": {"basePath": "/v1/m"}}, {"api": {"basePath": "/v1/mm"}}, False),
        ({"api": {"basePath": "/v1/m"}}, {"api": {"basePath": "/v1/m/predict"}}, True),
        ({"api": {"basePath": "/v1/m"}}, {"api": {"basePath": "/v1/m/docs"}}, True),
        ({"api": {"basePath": "/v1/m"}}, {"api": {"basePath": "/v1/m/api"}}, False),
        (
            {"api": {"basePath": "/v1/m", "protocols": ["seldon"]}},
            {"api": {"basePath": "/v1/m/api"}},
            True,
        ),
        (
            {"api": {"basePath": "/v1"}, "artifact": None, "models": ["churn", "b"]},
            {},
            True,
        ),
    ],
)
def test_a_path_below_another_models(
    teams: Path, run: Run, one: dict[str, Any], other: dict[str, Any], shared: bool
) -> None:
    host = {"ingress": {"host": "models.example.com"}}
    several = [{"name": n, "artifact": "file:artifacts/iris.onnx"} for n in one.get("models", ())]
    edit(
        teams / "models/growth/iris.yaml", **host, **one | ({"models": several} if several else {})
    )
    edit(teams / "models/sales/churn.yaml", **host, **other)
    assert run("lock").returncode == 0
    done = run("check")
    assert ("SRV203" in done.stderr) == shared, done.stderr + done.stdout
