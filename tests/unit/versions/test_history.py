"""The history of a model's lines, read from real repositories."""

from __future__ import annotations

import json
import subprocess
import time
from datetime import timedelta
from pathlib import Path

import pytest

from servestack.errors import ResolveError
from servestack.resolve.lock import LockedArtifact, dump_lock
from servestack.resolve.lock_lines import version_words
from servestack.versions.history import History, read_history
from servestack.versions.history_report import history_json, history_text
from tests.support.repository import (
    ADA,
    BEGIN,
    BOB,
    Repository,
    artifact,
    set_lines,
    set_version,
)


def versions(history: History) -> list[str]:
    return [version_words(period.lines) for period in history.periods]


def test_each_version_from_its_commit_to_the_next(repository: Repository) -> None:
    moved = repository.move("prod", "2", "iris: version 2\n\nReviewed-by: Bob <bob@example.com>")
    repository.move("staging", "9")  # Another environment.
    set_lines(repository.root, "prod", "churn", churn=artifact("5"))
    repository.commit("churn: version 5")  # Another model of the same lock.
    back = repository.move("prod", "1")
    found = read_history(repository.root, "prod", "iris")
    assert versions(found) == ["1", "2", "1"]
    now, two, first = found.periods
    assert (now.since.id, now.until) == (back, None)
    assert two.since.id == moved
    assert two.until is not None
    assert two.until.id == back
    assert two.approvals == (("Reviewed-by", BOB),)
    assert two.lasted(repository.clock) == timedelta(days=3)
    assert (first.author, first.merged_by, first.change) == (ADA, "", None)
    assert found.current == now
    assert not found.is_cut


def test_a_line_that_is_written_again_is_no_new_version(repository: Repository) -> None:
    set_version(repository.root, "prod", "1", archived=True, uri="models:/iris@champion")
    repository.commit("the address has changed")
    (period,) = read_history(repository.root, "prod", "iris").periods
    assert period.since.subject == "first"


def test_a_merge_counts_from_when_it_came_to_the_branch(repository: Repository) -> None:
    repository.git("checkout", "-q", "-b", "side")
    repository.move("prod", "3", "tried, and thrown away")
    change = repository.move("prod", "2", "iris: version 2\n\nSigned-off-by: Ada <ada@example.com>")
    repository.git("checkout", "-q", "main")
    (repository.root / "README").write_text("meanwhile")
    repository.commit("meanwhile")
    merge = repository.merge("side", "Merge iris\n\nApproved-by: Eve <eve@example.com>")
    found = read_history(repository.root, "prod", "iris")
    assert versions(found) == ["2", "1"]
    now = found.periods[0]
    assert now.since.id == merge
    assert now.change is not None
    assert now.change.id == change
    assert (now.author, now.merged_by) == (ADA, BOB)
    assert now.approvals == (
        ("Approved-by", "Eve <eve@example.com>"),
        ("Signed-off-by", ADA),
    )


def test_a_merge_of_two_changes_to_one_lock(repository: Repository) -> None:
    """The merged file is on neither side, so only its lines tell who wrote them."""
    set_lines(repository.root, "prod", "churn", churn=artifact("1"))
    set_lines(repository.root, "prod", "fraud", fraud=artifact("1"))
    repository.commit("three models")
    repository.git("checkout", "-q", "-b", "side")
    change = repository.move("prod", "2", author=BOB)
    repository.git("checkout", "-q", "main")
    set_lines(repository.root, "prod", "churn", churn=artifact("2"))
    repository.commit("churn: version 2")
    repository.merge("side", "Merge", author=ADA)
    now = read_history(repository.root, "prod", "iris").periods[0]
    assert now.change is not None
    assert (now.change.id, now.author, now.merged_by) == (change, BOB, ADA)


def test_a_model_that_was_gone_for_a_while(repository: Repository) -> None:
    set_lines(repository.root, "prod", "iris")
    gone = repository.commit("iris: off")
    assert read_history(repository.root, "prod", "iris").current is None
    repository.move("prod", "2")
    found = read_history(repository.root, "prod", "iris")
    assert versions(found) == ["2", "1"]
    assert found.periods[1].until is not None
    assert found.periods[1].until.id == gone


def test_a_renamed_model_is_the_same(repository: Repository) -> None:
    """The lock tells it: the same artifact, and the old name is gone."""
    repository.move("prod", "2")
    set_lines(repository.root, "prod", "iris")
    set_lines(repository.root, "prod", "flowers", flowers=artifact("2"))
    repository.commit("rename")
    found = read_history(repository.root, "prod", "flowers")
    assert versions(found) == ["2", "1"]
    assert [period.model for period in found.periods] == ["iris", "iris"]
    assert "2 (as iris)" in history_text(found, repository.clock)


def test_a_model_that_is_renamed_and_moved_at_once(repository: Repository) -> None:
    """Git tells it, by the renamed spec."""
    root = repository.root
    set_lines(root, "prod", "iris")
    set_lines(root, "prod", "flowers", flowers=artifact("2"))
    set_lines(root, "prod", "other", other=artifact("7"))
    spec = (root / "models/iris.yaml").read_text().replace("name: iris\n", "name: flowers\n")
    (root / "models/iris.yaml").unlink()
    (root / "models/flowers.yaml").write_text(spec)
    repository.commit("rename and move")
    found = read_history(root, "prod", "flowers")
    assert [(period.model, version_words(period.lines)) for period in found.periods] == [
        ("flowers", "2"),
        ("iris", "1"),
    ]
    assert versions(read_history(root, "prod", "other")) == ["7"]


def test_a_renamed_environment_is_the_same(repository: Repository) -> None:
    root = repository.root
    repository.move("prod", "2")
    repository.git("mv", "stacks/prod.lock.yaml", "stacks/live.lock.yaml")
    lock = root / "stacks/live.lock.yaml"
    lock.write_text(
        lock.read_text()
        .replace("prod", "live", 1)
        .replace("environment: prod", "environment: live")
    )
    repository.commit("prod is now live")
    repository.clock += timedelta(days=1)
    assert versions(read_history(root, "live", "iris")) == ["2", "1"]
    assert versions(read_history(root, "staging", "iris")) == ["1"], "a copy is no rename"


def test_several_models_and_a_shadow(repository: Repository) -> None:
    set_lines(
        repository.root, "prod", "iris", a=artifact("1"), b=artifact("2"), iris_shadow=artifact("8")
    )
    repository.commit("two models")
    set_lines(
        repository.root, "prod", "iris", a=artifact("1"), b=artifact("2"), iris_shadow=artifact("9")
    )
    repository.commit("another shadow")
    assert versions(read_history(repository.root, "prod", "iris")) == ["a 1, b 2", "1"]


def test_what_cannot_be_read_is_passed_over(repository: Repository) -> None:
    lock = repository.root / "stacks/prod.lock.yaml"
    text = lock.read_text()
    lock.write_text(text.replace("    iris: {", "    iris: <<<<<<< {"))
    repository.commit("a conflict is committed")
    lock.write_text(text.replace("\n", "\r\n"))
    repository.commit("CRLF")
    assert versions(read_history(repository.root, "prod", "iris")) == ["1"]


def test_a_shallow_clone_says_that_it_is_cut(repository: Repository, tmp_path: Path) -> None:
    for version in ("2", "3"):
        repository.move("prod", version)
    clone = tmp_path / "clone"
    command = ["git", "clone", "-q", "--depth=2", f"file://{repository.root}", str(clone)]
    subprocess.run(command, check=True)
    found = read_history(clone, "prod", "iris")
    assert versions(found) == ["3", "2"]
    assert [period.is_cut for period in found.periods] == [False, True]
    assert found.is_cut
    assert "or longer" in history_text(found, repository.clock)
    assert json.loads(history_json(found, repository.clock))["isCut"] is True


def test_no_repository_and_no_commit(tmp_path: Path) -> None:
    with pytest.raises(ResolveError, match="SRV579 git has no history") as error:
        read_history(tmp_path, "prod", "iris")
    assert "not a git repository" in str(error.value)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    with pytest.raises(ResolveError, match="SRV579"):
        read_history(tmp_path, "prod", "iris")


def test_a_project_in_a_folder_of_its_repository(tmp_path: Path) -> None:
    outer = Repository(tmp_path)
    outer.git("init", "-q", "-b", "main")
    for version in ("1", "2"):
        set_version(tmp_path / "ml", "prod", version)
        outer.commit(version)
    assert versions(read_history(tmp_path / "ml", "prod", "iris")) == ["2", "1"]


def test_what_a_user_has_set_changes_nothing(repository: Repository) -> None:
    repository.move("prod", "2")
    for name, value in (
        ("log.showSignature", "true"), ("log.follow", "true"), ("color.ui", "always"),
        ("log.date", "relative"), ("diff.noprefix", "true"), ("core.abbrev", "4"),
    ):  # fmt: skip
        repository.git("config", name, value)
    assert versions(read_history(repository.root, "prod", "iris")) == ["2", "1"]


def test_json_has_what_git_says(repository: Repository) -> None:
    repository.move("prod", "2", "iris: two\n\nReviewed-by: Bob <bob@example.com>")
    data = json.loads(history_json(read_history(repository.root, "prod", "iris"), repository.clock))
    two, one = data["periods"]
    assert two["artifacts"] == [
        {"name": "iris", "version": "2", "runId": "run2", "source": "s3://models/iris/3", "sha256": f"{2:064x}"}
    ]  # fmt: skip
    assert (two["since"], two["until"], two["seconds"]) == ("2026-11-02T00:00:00Z", None, 86_400)
    assert two["approvals"] == [{"trailer": "Reviewed-by", "by": BOB}]
    assert (one["since"], one["endedBy"]) == (BEGIN.strftime("%Y-%m-%dT%H:%M:%SZ"), two["commit"])


COMMITS = 2_000
MODELS = 20


def test_two_thousand_commits_take_a_second_or_two(tmp_path: Path) -> None:
    """No process for each commit. Twenty models, each moved a hundred times."""
    from servestack.resolve.lock import Lock

    at = [1] * MODELS
    stream = []
    for number in range(COMMITS):
        at[number % MODELS] += 1
        models: dict[str, dict[str, LockedArtifact]] = {
            f"m{index}": {f"m{index}": artifact(str(version))} for index, version in enumerate(at)
        }
        text = dump_lock(Lock("prod", models))
        stream.append(
            f"commit refs/heads/main\ncommitter {ADA} {1_700_000_000 + number} +0000\n"
            f"data 1\nx\nM 644 inline stacks/prod.lock.yaml\ndata {len(text.encode())}\n{text}\n"
        )
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=tmp_path, check=True)
    subprocess.run(
        ["git", "fast-import", "--quiet"], cwd=tmp_path, check=True, input="".join(stream).encode()
    )
    begun = time.perf_counter()
    found = read_history(tmp_path, "prod", "m7")
    took = time.perf_counter() - begun
    assert len(found.periods) == COMMITS // MODELS + 1
    assert took < 5, f"{took:.1f} s"  # About one on a quiet machine.
