"""`servestack rollback` and `history` as a user runs them, in real repositories."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.support.in_process import Done, servestack
from tests.support.projects import set_in_yaml
from tests.support.repository import Repository, artifact, set_lines, set_version
from tests.support.services import SPEC, merged, write
from tests.unit.versions.test_promote import lock_text, locked, refused

Run = Callable[..., Done]


def test_the_version_before_comes_back(repository: Repository, run: Run) -> None:
    first = lock_text(repository)
    repository.move("prod", "2")
    (repository.root / "README").write_text("later")
    repository.commit("something else")
    done = run("rollback", "iris", "prod")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("iris: prod, version 2 → 1\n  from commit   ")
    assert "first\n" in done.stdout
    assert "effect   serves version 2→1" in done.stdout
    assert 'set_registered_model_alias("iris", "production", "1")' in done.stdout
    assert lock_text(repository) == first


def test_other_models_stay(repository: Repository, run: Run) -> None:
    repository.move("prod", "2")
    set_lines(repository.root, "prod", "churn", churn=artifact("4"))
    repository.commit("churn: version 4")
    set_lines(repository.root, "prod", "churn", churn=artifact("5"))  # Not even committed.
    before = lock_text(repository).splitlines()
    assert run("rollback", "iris", "prod").returncode == 0
    changed = zip(before, lock_text(repository).splitlines(), strict=True)
    assert [new.split(":")[0].strip() for old, new in changed if old != new] == ["iris"]


def test_back_and_back_again_ends_at_the_one_before(repository: Repository, run: Run) -> None:
    """The last that differs from the one of now, which after a rollback is the bad one."""
    for version in ("2", "3"):
        repository.move("prod", version)
    run("rollback", "iris", "prod")
    repository.commit("back")
    assert locked(repository)["iris"].version == "2"
    run("rollback", "iris", "prod")
    assert locked(repository)["iris"].version == "3"


def test_to_a_version_or_a_revision(repository: Repository, run: Run) -> None:
    second = repository.move("prod", "2")
    repository.move("prod", "3")
    assert run("rollback", "iris", "prod", "--to", "1", "--dry-run").stdout.startswith(
        "iris: prod, version 3 → 1 (nothing written)\n"
    )
    for revision in (second, second[:8], "HEAD~1"):
        done = run("rollback", "iris", "prod", "--to", revision, "--dry-run")
        assert done.stdout.startswith("iris: prod, version 3 → 2 (nothing written)\n")
    already = run("rollback", "iris", "prod", "--to", "HEAD")
    assert already.stdout == "iris: prod already has version 3; nothing was written\n"
    data = json.loads(run("rollback", "iris", "prod", "--to", "2", "-o", "json").stdout)
    assert (data["written"], data["commit"]) == (True, second)
    assert (data["before"][0]["version"], data["after"][0]["version"]) == ("3", "2")


def test_what_git_does_not_have(repository: Repository, run: Run) -> None:
    refused(run("rollback", "iris", "prod"), "SRV574", "servestack history iris prod")
    repository.move("prod", "2")
    for to in ("9", "no-such-branch", "--help-me"):
        refused(run("rollback", "iris", "prod", f"--to={to}"), "SRV574", "the lock had: 2, 1")
    refused(run("rollback", "iris", "prod", "--to", "2"), "SRV574", "the lock has 2 already")
    refused(run("rollback", "rose", "prod"), "SRV571")


def test_a_shallow_clone_has_no_way_back(repository: Repository, tmp_path: Path) -> None:
    repository.move("prod", "2")
    clone = tmp_path / "clone"
    command = ["git", "clone", "-q", "--depth=1", f"file://{repository.root}", str(clone)]
    subprocess.run(command, check=True)
    refused(servestack("rollback", "iris", "prod", folder=clone), "SRV574", "--unshallow")


def test_nothing_uncommitted_is_lost(repository: Repository, run: Run) -> None:
    repository.move("prod", "2")
    set_version(repository.root, "prod", "3")
    before = lock_text(repository)
    refused(run("rollback", "iris", "prod"), "SRV572", "they would be lost")
    assert lock_text(repository) == before


def test_a_line_of_an_older_lock(repository: Repository, run: Run) -> None:
    root = repository.root
    set_version(root, "prod", "2", loading=None)
    repository.commit("by an older servestack")
    repository.move("prod", "3")
    before = lock_text(repository)
    done = run("rollback", "iris", "prod")
    refused(done, "SRV575", "what loading needs", "servestack rollback iris prod --to 2")
    assert lock_text(repository) == before
    assert run("rollback", "iris", "prod", "--to", "2").returncode == 0
    repository.commit("taken all the same")
    lock = root / "stacks/prod.lock.yaml"
    lock.write_text(
        lock.read_text().replace('"version": "2"', '"version": "4", "stage": "Production"')
    )
    repository.commit("with a field that is no more")
    lock.unlink()
    repository.move("prod", "5")
    for options in ((), ("--to", "4"), ("--to", "HEAD~1")):
        refused(run("rollback", "iris", "prod", *options), "SRV575", "stage")


def test_a_spec_that_has_moved_on(repository: Repository, run: Run) -> None:
    root = repository.root
    write(root / "models/iris.yaml", merged(SPEC, {"artifact": "models:/iris/2"}))
    set_version(root, "prod", "2", uri="models:/iris/2")
    set_version(root, "staging", "2", uri="models:/iris/2")
    repository.commit("the spec names the version")
    before = lock_text(repository)
    done = run("rollback", "iris", "prod")
    refused(done, "SRV576", "git diff", "SRV573", "models/iris.yaml:", "write models:/iris/1 here")
    assert lock_text(repository) == before
    outputs = {"api": {"input": {"columns": [{"name": "petal", "type": "double"}]}}}
    write(root / "models/iris.yaml", merged(SPEC, outputs))
    set_version(root, "prod", "3", signature={"inputs": [{"name": "petal", "type": "double"}]})
    repository.commit("another input")
    done = run("rollback", "iris", "prod", "--to", "1", "--dry-run")
    assert done.returncode == 0, "columns that differ are a warning of check"
    set_in_yaml(root / "stacks/prod.yaml", guardRails={"forbiddenFormats": ["skops"]})
    set_version(root, "prod", "4", format="onnx", flavor="onnx")
    repository.commit("onnx only")
    refused(run("rollback", "iris", "prod"), "SRV576", "SRV622")


def test_a_shadow_stays(repository: Repository, run: Run) -> None:
    shadow = {"shadow": {"artifact": "models:/iris@next", "percent": 10}}
    write(repository.root / "models/iris.yaml", merged(SPEC, shadow))
    one = artifact("8", uri="models:/iris@next")
    set_lines(repository.root, "prod", "iris", iris=artifact("2"), iris_shadow=one)
    repository.commit("with a shadow")
    assert run("rollback", "iris", "prod").returncode == 0
    found = {name: each.version for name, each in locked(repository).items()}
    assert found == {"iris": "1", "iris-shadow": "8"}


def test_a_renamed_model_goes_back_to_its_version_under_the_old_name(
    repository: Repository, run: Run
) -> None:
    root = repository.root
    repository.git("mv", "models/iris.yaml", "models/flowers.yaml")
    write(root / "models/flowers.yaml", merged(SPEC, {"name": "flowers"}))
    for environment in ("staging", "prod"):
        set_lines(root, environment, "iris")
        set_lines(root, environment, "flowers", flowers=artifact("2"))
    repository.commit("rename, and move")
    done = run("rollback", "flowers", "prod")
    assert done.stdout.startswith("flowers: prod, version 2 → 1\n"), done.stderr


def test_history(repository: Repository, run: Run) -> None:
    repository.move("prod", "2")
    done = run("history", "iris", "prod")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("2   2026-11-02 00:00 UTC to now   ")
    assert "\n1   2026-11-01 00:00 UTC to 2026-11-02 00:00 UTC   1 d\n" in done.stdout
    data = json.loads(run("history", "iris", "prod", "-o", "json").stdout)
    assert [each["artifacts"][0]["version"] for each in data["periods"]] == ["2", "1"]
    refused(run("history", "rose", "prod"), "SRV571")
    refused(run("history", "iris", "nowhere"), "SRV206")
    write(repository.root / "models/rose.yaml", merged(SPEC, {"name": "rose"}))
    refused(run("history", "rose", "prod"), "SRV574", "stacks/prod.lock.yaml")
