"""`servestack promote` as a user runs it, in real repositories."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from servestack.resolve.lock import read_lock
from tests.support.in_process import Done
from tests.support.ports import free_ports
from tests.support.projects import set_in_yaml
from tests.support.repository import Repository, artifact, set_lines, set_version
from tests.support.services import SPEC, merged, write

Run = Callable[..., Done]
ALIAS = "models:/iris@staging"


def locked(repository: Repository, environment: str = "prod") -> Any:
    lock = repository.root / f"stacks/{environment}.lock.yaml"
    return read_lock(lock, environment).models.get("iris", {})


def refused(done: Done, id: str, *words: str) -> None:
    """One error, in words, and nothing on stdout."""
    assert (done.returncode, done.stdout) == (1, "")
    assert f" {id} " in done.stderr, done.stderr
    for word in words:
        assert word in done.stderr
    assert "Traceback" not in done.stderr


def lock_text(repository: Repository) -> str:
    return (repository.root / "stacks/prod.lock.yaml").read_text()


def test_the_line_is_copied_with_its_evidence(repository: Repository, run: Run) -> None:
    set_lines(repository.root, "prod", "churn", churn=artifact("5"))
    repository.clock = datetime.now(UTC) - timedelta(hours=30)
    moved = repository.move("staging", "2", "iris: version 2\n\nReviewed-by: Bob <bob@example.com>")
    before = lock_text(repository)
    done = run("promote", "iris", "staging", "prod")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("iris: staging → prod, version 1 → 2\n")
    for words in (
        "run   run1 → run2", f"{1:064x} → {2:064x}", f"brought by   {moved[:12]} iris: version 2",
        "in staging   30.0 hours, since ", "Reviewed-by   Bob <bob@example.com>",
        "SLO in staging   not asked: --prometheus URL", "effect   serves version 1→2",
        "the next `servestack lock prod` takes the version that the alias names then",
    ):  # fmt: skip
        assert words in done.stdout
    assert locked(repository) == locked(repository, "staging")
    changed = zip(before.splitlines(), lock_text(repository).splitlines(), strict=True)
    assert [new.split(":")[0].strip() for old, new in changed if old != new] == ["iris"]
    assert run("render", "prod").returncode == 0


def test_nothing_to_do(repository: Repository, run: Run) -> None:
    before = lock_text(repository)
    done = run("promote", "iris", "staging", "prod")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "iris: prod already has version 1; nothing was written\n"
    data = json.loads(run("promote", "iris", "staging", "prod", "-o", "json").stdout)
    assert (data["alreadyThere"], data["written"]) == (True, False)
    assert lock_text(repository) == before


def test_a_dry_run_writes_nothing(repository: Repository, run: Run) -> None:
    repository.move("staging", "2")
    before = lock_text(repository)
    done = run("promote", "iris", "staging", "prod", "--dry-run")
    assert done.stdout.startswith("iris: staging → prod, version 1 → 2 (nothing written)\n")
    assert lock_text(repository) == before


def test_a_first_version(repository: Repository, run: Run) -> None:
    set_lines(repository.root, "prod", "iris")
    repository.commit("prod begins")
    done = run("promote", "iris", "staging", "prod")
    assert done.stdout.startswith("iris: staging → prod, version 1, the first\n")
    assert locked(repository) == locked(repository, "staging")


def test_refusals(repository: Repository, run: Run) -> None:
    refused(run("promote", "iris", "prod", "prod"), "SRV570", "to itself")
    refused(run("promote", "iris", "staging", "nowhere"), "SRV206")
    refused(run("promote", "rose", "staging", "prod"), "SRV571", "its models are iris")
    set_lines(repository.root, "staging", "iris")
    repository.commit("not locked")
    refused(run("promote", "iris", "staging", "prod"), "SRV571", "servestack lock staging")
    set_version(repository.root, "staging", "2")
    refused(run("promote", "iris", "staging", "prod"), "SRV572", "git restore stacks/staging")
    repository.commit("locked")
    set_in_yaml(repository.root / "stacks/prod.yaml", exclude=["iris"])
    refused(run("promote", "iris", "staging", "prod"), "SRV571", "prod.yaml:", "exclude")


def test_only_this_models_lines_have_to_be_committed(repository: Repository, run: Run) -> None:
    repository.move("staging", "2")
    set_lines(repository.root, "staging", "churn", churn=artifact("9"))
    assert run("promote", "iris", "staging", "prod").returncode == 0


def test_a_stale_lock_is_no_evidence(repository: Repository, run: Run) -> None:
    write(repository.root / "models/iris.yaml", merged(SPEC, {"artifact": "models:/iris@next"}))
    refused(run("promote", "iris", "staging", "prod"), "SRV201", "servestack lock staging")


def overridden(repository: Repository, environment: str, address: str) -> None:
    file = repository.root / f"stacks/{environment}.yaml"
    set_in_yaml(file, overrides={"iris": {"artifact": address}})


def test_another_alias_of_the_same_model(repository: Repository, run: Run) -> None:
    """The common case. The line says the address that prod's spec has, or its render would refuse."""
    overridden(repository, "staging", ALIAS)
    set_version(repository.root, "staging", "2", uri=ALIAS)
    repository.commit("staging by its own alias")
    done = run("promote", "iris", "staging", "prod")
    assert done.returncode == 0, done.stderr
    (line,) = locked(repository).values()
    (of_staging,) = locked(repository, "staging").values()
    assert (line.uri, line.version, line.sha256) == ("models:/iris@production", "2", f"{2:064x}")
    assert of_staging.uri == ALIAS
    assert f"address of iris   {ALIAS} → models:/iris@production" in done.stdout
    assert (
        'move the alias too: MlflowClient().set_registered_model_alias("iris", "production", "2")'
        in done.stdout
    )
    for command in (("render", "prod"), ("check", "prod"), ("diff", "prod")):
        assert run(*command).returncode == 0, command
    again = run("promote", "iris", "staging", "prod")
    assert "already has version 2" in again.stdout


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("models:/iris/1", ("that is not version 2", "write models:/iris/2 here")),
        ("models:/iris-prod@champion", ("another artifact than", "copy_model_version")),
        ("s3://models/iris/1", ("another artifact than", "servestack lock prod")),
    ],
)
def test_another_artifact(
    repository: Repository, run: Run, address: str, words: tuple[str, ...]
) -> None:
    overridden(repository, "prod", address)
    set_version(repository.root, "prod", "1", uri=address)
    repository.move("staging", "2")
    before = lock_text(repository)
    done = run("promote", "iris", "staging", "prod")
    refused(done, "SRV573", "stacks/prod.yaml:", "artifact: prod asks for", *words)
    assert lock_text(repository) == before


def test_the_very_version_that_the_address_names(repository: Repository, run: Run) -> None:
    overridden(repository, "prod", "models:/iris/2")
    repository.move("staging", "2")
    done = run("promote", "iris", "staging", "prod")
    assert done.returncode == 0, done.stderr
    assert "note" not in done.stdout, "it does not move"
    assert locked(repository)["iris"].uri == "models:/iris/2"


def several(repository: Repository, **more: Any) -> None:
    models = [{"name": name, "artifact": f"models:/{name}@production"} for name in ("a", "b")]
    graph = {"kind": "ensemble", "nodes": ["a", "b"], "combine": "mean"}
    spec = merged(SPEC, {"artifact": None, "models": models, "graph": graph, **more})
    write(repository.root / "models/iris.yaml", spec)
    for environment in ("staging", "prod"):
        set_lines(
            repository.root, environment, "iris",
            a=artifact("1", uri="models:/a@production"), b=artifact("2", uri="models:/b@production"),
        )  # fmt: skip


def test_all_models_of_a_graph_go_together(repository: Repository, run: Run) -> None:
    several(repository)
    repository.commit("two models")
    set_lines(
        repository.root, "staging", "iris",
        a=artifact("1", uri="models:/a@production"), b=artifact("3", uri="models:/b@production"),
    )  # fmt: skip
    repository.commit("b: version 3")
    done = run("promote", "iris", "staging", "prod")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("iris: staging → prod, version a 1, b 2 → a 1, b 3\n")
    assert {name: one.version for name, one in locked(repository).items()} == {"a": "1", "b": "3"}


def test_a_graph_with_a_model_that_the_source_does_not_have(
    repository: Repository, run: Run
) -> None:
    several(repository)
    one = {"artifact": "models:/iris@production", "graph": None}
    file = repository.root / "stacks/staging.yaml"
    set_in_yaml(file, overrides={"iris": one})
    set_version(repository.root, "staging", "2")
    repository.commit("staging has one model only")
    refused(run("promote", "iris", "staging", "prod"), "SRV571", "staging has no artifact 'a'")


def shadowed(repository: Repository, environment: str, version: str | None) -> None:
    of_shadow = {"iris_shadow": artifact(version, uri="models:/iris@next")} if version else {}
    set_lines(repository.root, environment, "iris", iris=artifact("2"), **of_shadow)


def test_a_shadow_stays_where_it_is_tried(repository: Repository, run: Run) -> None:
    shadow = {"shadow": {"artifact": "models:/iris@next", "percent": 10}}
    write(repository.root / "models/iris.yaml", merged(SPEC, shadow))
    shadowed(repository, "staging", "8")
    shadowed(repository, "prod", "9")
    repository.commit("shadows")
    set_lines(
        repository.root, "staging", "iris",
        iris=artifact("3"), iris_shadow=artifact("8", uri="models:/iris@next"),
    )  # fmt: skip
    repository.commit("iris: version 3")
    assert run("promote", "iris", "staging", "prod").returncode == 0
    found = {name: one.version for name, one in locked(repository).items()}
    assert found == {"iris": "3", "iris-shadow": "9"}
    shadowed(repository, "prod", None)
    assert run("promote", "iris", "staging", "prod").returncode == 0
    found = {name: one.version for name, one in locked(repository).items()}
    assert found == {"iris": "3", "iris-shadow": "8"}, "prod's spec asks for one"


def test_what_the_policy_of_the_target_refuses(repository: Repository, run: Run) -> None:
    set_in_yaml(repository.root / "stacks/prod.yaml", guardRails={"forbiddenFormats": ["skops"]})
    set_version(repository.root, "prod", "1", format="onnx", flavor="onnx")
    repository.move("staging", "2")
    before = lock_text(repository)
    refused(run("promote", "iris", "staging", "prod"), "SRV622")
    assert lock_text(repository) == before


def test_an_uncommitted_line_of_the_target_is_told(repository: Repository, run: Run) -> None:
    repository.move("staging", "2")
    set_version(repository.root, "prod", "7")
    done = run("promote", "iris", "staging", "prod")
    assert "had an uncommitted line of iris, which is replaced: 7" in done.stdout


def test_reports_are_attached(repository: Repository, run: Run, tmp_path: Path) -> None:
    repository.move("staging", "2")
    file = tmp_path / "shadow.json"
    rows = {"compared": 1000, "agreement": 0.998}
    file.write_text(
        json.dumps({"rows": rows, "columns": {"a```": {}}, "note": "password: hunter2hunter2"})
    )
    other = tmp_path / "load.json"
    other.write_text('{"p95": 12.5}')
    options = ("--report", file, "--report", other, "--dry-run")
    text = run("promote", "iris", "staging", "prod", *options)
    assert (
        "  report shadow.json\n    rows.compared: 1000\n    rows.agreement: 0.998\n" in text.stdout
    )
    assert "  report load.json\n    p95: 12.5\n" in text.stdout
    markdown = run("promote", "iris", "staging", "prod", *options, "-o", "github").stdout
    assert markdown.startswith("### iris: staging → prod, version 1 → 2\n\n| | |\n| --- | --- |\n")
    assert "<summary>shadow.json</summary>\n\n```json\n" in markdown
    assert markdown.count("```") == 4, "a report cannot end its block"
    data = json.loads(run("promote", "iris", "staging", "prod", *options, "-o", "json").stdout)
    assert [report["file"] for report in data["reports"]] == ["shadow.json", "load.json"]
    assert data["reports"][0]["data"]["rows"] == rows
    assert "hunter2hunter2" not in text.stdout + markdown + json.dumps(data)


@pytest.mark.parametrize("content", ["{", "[]", '{"a": NaN', "\udcff"])
def test_a_report_that_is_none(
    repository: Repository, run: Run, tmp_path: Path, content: str
) -> None:
    file = tmp_path / "report.json"
    file.write_bytes(content.encode(errors="surrogateescape"))
    refused(run("promote", "iris", "staging", "prod", "--report", file), "SRV577", str(file))
    refused(run("promote", "iris", "staging", "prod", "--report", tmp_path / "no"), "SRV577")


class Answers(BaseHTTPRequestHandler):
    status, body = 200, b""

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, b"<html>", "does not answer as a Prometheus does"),
        (200, b'{"data": {}}', "does not answer as a Prometheus does"),
        (503, b"", "answers 503"),
        (422, b'{"error": "query timed out"}', "answers 422: query timed out"),
    ],
)
def test_something_that_is_no_prometheus(
    repository: Repository, run: Run, status: int, body: bytes, words: str
) -> None:
    repository.move("staging", "2")
    handler = type("Handler", (Answers,), {"status": status, "body": body})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, daemon=True).start()
    before = lock_text(repository)
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        refused(run("promote", "iris", "staging", "prod", "--prometheus", url), "SRV578", words)
    finally:
        server.shutdown()
        server.server_close()
    assert lock_text(repository) == before


def test_a_prometheus_that_is_not_there(repository: Repository, run: Run) -> None:
    (port,) = free_ports(1)
    for url in (f"http://127.0.0.1:{port}", "file:///etc/passwd", "prometheus:9090", ""):
        done = run("promote", "iris", "staging", "prod", "--prometheus", url)
        refused(done, "SRV578", "such as http://prometheus:9090")


def test_without_git(repository: Repository, run: Run) -> None:
    (repository.root / ".git").rename(repository.root.parent / "gone")
    refused(run("promote", "iris", "staging", "prod"), "SRV579", "commit the project first")
