"""`servestack events` reads what the server wrote from a real Kafka, with rights to read alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
import yaml
from confluent_kafka import OFFSET_END, Producer, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from servestack.errors import KafkaError
from servestack.kafka import topic
from servestack.manifests import names
from servestack.resolve.lock import write_lock
from servestack.spec.load import load_model_service
from servestack_contract.artifact import Pin
from servestack_contract.assignment import branch_at, point, unit_of
from servestack_contract.events import KINDS, Kind
from servestack_contract.settings import Events, PredictionLog, ServerSettings
from servestack_contract.shadow import crc_limit, is_copied
from servestack_server.events.answered import Answered
from servestack_server.events.origin import Origin
from servestack_server.events.others import OtherEvents
from servestack_server.events.prediction import PredictionEvents
from servestack_server.settings_file import settings_digest
from tests.docs.blocks import blocks_of
from tests.support.filebeat import drain, local_config, rendered_config, running_filebeat
from tests.support.forked import servestack
from tests.support.kafka import KafkaCluster, running_kafka
from tests.support.projects import REPOSITORY
from tests.support.services import ENVIRONMENT, SPEC, lock_of, merged, write

OWNER = "owner"
SECURITY = {
    "protocol": "SASL_SSL",
    "credentials": {"secret": "kafka"},
    "ca": {"secret": "kafka-ca", "key": "ca.crt"},
}
START = datetime(2026, 11, 30, 10, tzinfo=UTC).timestamp()
EVENTS = Events(folder="/nowhere", source="/models/iris", kinds=KINDS, predictions=PredictionLog())
SETTINGS = ServerSettings(name="iris", models=(), events=EVENTS)
ORIGIN = Origin("canary", "cd" * 32)


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    with running_kafka(tmp_path_factory.mktemp("kafka")) as cluster:
        cluster.change_password("owner's own", OWNER)
        allowed = [
            AclBinding(
                ResourceType.TOPIC, "servestack.", ResourcePatternType.PREFIXED, f"User:{OWNER}",
                "*", operation, AclPermissionType.ALLOW,
            )
            for operation in (AclOperation.READ, AclOperation.DESCRIBE)
        ]  # fmt: skip
        for created in cluster.admin.create_acls(allowed).values():
            created.result(timeout=30)
        yield cluster


@pytest.fixture
def as_owner(kafka: KafkaCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_USERNAME", OWNER)
    monkeypatch.setenv("KAFKA_PASSWORD", kafka.passwords[OWNER])
    monkeypatch.setenv("KAFKA_CA_FILE", str(kafka.ca))


def project(folder: Path, kafka: KafkaCluster, model: str, **spec: Any) -> Path:
    """A project whose environment prod names these brokers."""
    loaded = load_model_service(
        write(folder / f"models/{model}.yaml", merged(SPEC, {"name": model, **spec}))
    )
    brokers = {"kafka": {"brokers": list(kafka.addresses), "security": SECURITY}}
    write(folder / "stacks/prod.yaml", merged(ENVIRONMENT, brokers))
    write_lock(folder / "stacks/prod.lock.yaml", lock_of(loaded.value))
    return folder


def answered(number: int, **changes: Any) -> Answered:
    given: dict[str, Any] = {"rows": [[5.1, 3.5]], "values": [number % 3]}
    return Answered(
        f"request-{number:08d}".encode(), None, "iris", "4", "/v1/iris/predict", seconds=0.001,
        **given | changes,
    )  # fmt: skip


def predictions(count: int, first: int = 0, **changes: Any) -> list[bytes]:
    """One event a second, as the server writes them."""
    now = [START]
    events = PredictionEvents(
        SETTINGS, pins=[Pin("iris", "4", "ab" * 32)], origin=ORIGIN, clock=lambda: now[0]
    )
    lines = []
    for number in range(first, first + count):
        now[0] = START + number
        line = events.line(answered(number, **changes))
        assert line is not None
        lines.append(line)
    return lines


def feedback(number: int, value: Any, seconds: float = 3600) -> bytes:
    return OtherEvents(EVENTS, origin=ORIGIN).feedback(answered(number), START + seconds, value)


def send(kafka: KafkaCluster, model: str, kind: Kind, lines: list[bytes]) -> None:
    """Under their ids, as Filebeat does."""
    internal = ",".join(broker.internal for broker in kafka.brokers)
    producer = Producer({"bootstrap.servers": internal, "log_level": 0, "linger.ms": 5})
    for line in lines:
        key = str(json.loads(line)["id"]) if line.startswith(b"{") else ""
        producer.produce(f"servestack.{model}.{kind}", line, key)
        producer.poll(0)
    assert producer.flush(60) == 0


def read(folder: Path, *arguments: str) -> tuple[list[dict[str, Any]], str]:
    """The events on stdout, and what the command says."""
    done = servestack("events", "prod", *arguments, folder=folder)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def numbers(events: list[dict[str, Any]]) -> list[int]:
    return sorted(int(event["id"].removeprefix("request-")) for event in events)


@pytest.mark.usefixtures("as_owner")
def test_events_are_chosen_by_time_and_id_and_each_is_read_once(
    kafka: KafkaCluster, tmp_path: Path
) -> None:
    folder = project(tmp_path, kafka, "chosen")
    kafka.create_topics("chosen")
    lines = predictions(600)
    send(kafka, "chosen", "predictions", [*lines, *lines[100:200], b"no event", b'{"id": 5}'])
    events, said = read(folder, "chosen")
    assert numbers(events) == list(range(600))
    by_id = {json.loads(line)["id"]: json.loads(line) for line in lines}
    assert {event["id"]: event for event in events} == by_id
    assert "600 events, 100 repeated and left out, 2 messages that are no events" in said

    since, until = "2026-11-30T10:05:00Z", "2026-11-30T11:08+01:00"
    events, _ = read(folder, "chosen", "--since", since, "--until", until)
    assert numbers(events) == list(range(300, 480))

    (folder / "ids").write_text("request-00000007\n\nrequest-00000150\nrequest-unknown\n")
    events, _ = read(folder, "chosen", "--ids", "ids")
    assert numbers(events) == [7, 150]
    events, _ = read(folder, "chosen", "--ids", "request-00000007,request-00000150")
    assert numbers(events) == [7, 150]
    events, _ = read(folder, "chosen", "--limit", "10")
    assert len(events) == 10
    groups = kafka.admin.list_consumer_groups().result(timeout=30).valid
    assert [group.group_id for group in groups] == []


@pytest.mark.usefixtures("as_owner")
def test_what_came_before_is_not_even_read(kafka: KafkaCluster, tmp_path: Path) -> None:
    """Brokers know when a message came: `--since 1h` of a topic of days reads an hour of it."""
    folder = project(tmp_path, kafka, "since")
    # With the time of the producer, which here may be any.
    kafka.create_topics("since", **{"message.timestamp.type": "CreateTime"})
    internal = ",".join(broker.internal for broker in kafka.brokers)
    producer = Producer({"bootstrap.servers": internal, "log_level": 0})
    now = time.time()
    for line in predictions(500):
        producer.produce(
            "servestack.since.predictions", line, json.loads(line)["id"],
            timestamp=int((now - 86_400) * 1000),
        )  # fmt: skip
    assert producer.flush(60) == 0
    late = OtherEvents(EVENTS).access(answered(1), now)
    broken = b"would be counted if it were read"
    producer.produce("servestack.since.predictions", broken, timestamp=int((now - 80_000) * 1000))
    producer.produce("servestack.since.predictions", late, timestamp=int(now * 1000))
    assert producer.flush(60) == 0
    events, said = read(folder, "since", "--since", "1h")
    assert numbers(events) == [1]
    assert "no events" not in said


@pytest.mark.usefixtures("as_owner")
def test_feedback_is_joined_by_id(kafka: KafkaCluster, tmp_path: Path) -> None:
    folder = project(tmp_path, kafka, "joined")
    kafka.create_topics("joined")
    send(kafka, "joined", "predictions", predictions(50))
    corrected = [feedback(3, "setosa", 60), feedback(3, "virginica", 90)]
    given = [*corrected, feedback(4, {"label": 1}), feedback(999, 0), corrected[0]]
    send(kafka, "joined", "feedback", given)
    events, said = read(folder, "joined", "--join", "feedback")
    assert numbers(events) == list(range(50))
    found = {event["id"][-2:]: event.pop("feedback") for event in events}
    assert found.pop("03") == [
        {"time": "2026-11-30T10:01:00.000Z", "feedback": "setosa"},
        {"time": "2026-11-30T10:01:30.000Z", "feedback": "virginica"},
    ]
    assert [one["feedback"] for one in found.pop("04")] == [{"label": 1}]
    assert set(map(tuple, found.values())) == {()}
    assert "50 events, 2 with feedback" in said
    # By itself, a corrected feedback is two events, and one that was shipped twice is one.
    events, said = read(folder, "joined", "--kind", "feedback")
    assert numbers(events) == [3, 3, 4, 999]
    assert "1 repeated" in said


@pytest.mark.usefixtures("as_owner")
def test_a_table_has_a_row_for_each_row_and_a_column_for_each_input(
    kafka: KafkaCluster, tmp_path: Path
) -> None:
    folder = project(tmp_path, kafka, "table")
    kafka.create_topics("table")
    several = {"rows": [[1.5, None], [2, 3]], "values": ["setosa", "virginica"]}
    lines = [*predictions(1), *predictions(1, 1, **several)]
    send(kafka, "table", "predictions", lines)
    send(kafka, "table", "feedback", [feedback(0, 2), feedback(1, ["setosa", "versicolor"])])
    arguments = ("table", "--join", "feedback", "--output", "parquet", "--to", "table.parquet")
    done = servestack("events", "prod", *arguments, folder=folder)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    table = pyarrow.parquet.read_table(folder / "table.parquet")
    first, second, third = sorted(table.to_pylist(), key=lambda row: (row["id"], row["row"]))
    assert first == {
        "id": "request-00000000", "source": "/models/iris", "type": "prediction.v1",
        "specversion": "1.0", "time": datetime(2026, 11, 30, 10, tzinfo=UTC),
        "model": "iris", "version": "4", "artifact_digest": "ab" * 32, "spec_digest": "cd" * 32,
        "variant": "canary", "endpoint": "/v1/iris/predict", "status": 200, "latency_ms": 1.0,
        "sample": 1.0, "truncated": False, "redacted": "[]", "row": 0,
        "input_sepal_length": 5.1, "input_sepal_width": 3.5, "output": "0",
        "feedback_count": 1, "feedback_time": datetime(2026, 11, 30, 11, tzinfo=UTC),
        "feedback": "2",
    }  # fmt: skip
    told = [(r["row"], r["input_sepal_length"], r["input_sepal_width"]) for r in (second, third)]
    assert told == [(0, 1.5, None), (1, 2.0, 3.0)]
    assert [(r["output"], r["feedback"]) for r in (second, third)] == [
        ('"setosa"', '"setosa"'), ('"virginica"', '"versicolor"')
    ]  # fmt: skip


@pytest.mark.usefixtures("as_owner")
def test_what_filebeat_ships_twice_is_read_once(
    kafka: KafkaCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has lost its registry, so it ships all files from their start."""
    folder = project(tmp_path / "read", kafka, "twice")
    kafka.create_topics("twice")
    text = rendered_config(tmp_path / "project", SECURITY, kafka.addresses)
    text = text.replace(names.KAFKA_CA_FOLDER, str(kafka.ca.parent))
    config = local_config(tmp_path, text.replace("servestack.iris.", "servestack.twice."))
    (tmp_path / "events").mkdir()
    (tmp_path / "events/predictions-1.ndjson").write_bytes(b"\n".join([*predictions(2000), b""]))
    (tmp_path / "events/.server-exited").touch()
    config["output.kafka"] |= {"username": "filebeat", "password": kafka.password}
    for _ in range(2):
        shutil.rmtree(tmp_path / "data", ignore_errors=True)
        with running_filebeat(tmp_path, config):
            assert drain(tmp_path, 60).stderr == ""
    assert len(kafka.read("servestack.twice.predictions")) == 4000
    events, said = read(folder, "twice")
    assert numbers(events) == list(range(2000))
    assert "2000 repeated" in said


REFUSALS: list[tuple[str, dict[str, str | None], tuple[str, ...], str]] = [
    ("a topic that nobody made", {}, ("absent",), "SRV565 the brokers have no topic"),
    ("a kind that is not sent", {}, ("empty", "--kind", "access"), "SRV565 empty sends no access"),
    ("nothing in the time", {}, ("empty",), "SRV566 servestack.empty.predictions has no such"),
    ("a wrong password", {"KAFKA_PASSWORD": "wrong"}, ("empty",), "SRV563"),
    ("no password", {"KAFKA_PASSWORD": None}, ("empty",), "KAFKA_PASSWORD is not set"),
    ("another authority", {"KAFKA_CA_FILE": None}, ("empty",), "SRV563"),
    ("no file of this name", {"KAFKA_CA_FILE": "/no/ca"}, ("empty",), "SRV561 there is no file"),
    ("rights to write alone", {"KAFKA_USERNAME": "filebeat", "KAFKA_PASSWORD": "filebeat's"},
     ("full",), "SRV564 your user may not read servestack.full.predictions"),
    ("a model that is not there", {}, ("iris",), "SRV202 prod has no model 'iris'"),
    ("no time", {}, ("empty", "--since", "yesterday"), "SRV568 --since: 'yesterday'"),
    ("ids of a missing file", {}, ("empty", "--ids", "no/file"), "SRV568 --ids: there is no"),
    ("a table on stdout", {}, ("empty", "-o", "parquet"), "SRV568 these options"),
    ("a folder that is missing", {}, ("full", "--to", "no/file"), "SRV304 cannot be written"),
    ("a setting of Java's", {}, ("empty", "--client-config", "java.properties"),
     "java.properties:1: SRV561 sasl.jaas.config is a property of Java's clients"),
    ("a line that is no setting", {}, ("empty", "--client-config", "bad.properties"),
     "bad.properties:2: SRV561 this line is not name=value"),
    ("brokers elsewhere", {}, ("empty", "--client-config", "away.properties"),
     "SRV562 no broker of 127.0.0.1:1 has answered"),
]  # fmt: skip


@pytest.fixture(scope="module")
def several(kafka: KafkaCluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models with a topic that is empty, one that is not, and none."""
    folder = tmp_path_factory.mktemp("several")
    for model in ("absent", "empty", "full"):
        project(folder, kafka, model)
    kafka.create_topics("empty")
    kafka.create_topics("full")
    send(kafka, "full", "predictions", predictions(10))
    (folder / "java.properties").write_text("sasl.jaas.config=ScramLoginModule required;\n")
    (folder / "bad.properties").write_text("# mine\nsasl.username\n")
    (folder / "away.properties").write_text("bootstrap.servers = 127.0.0.1:1\n")
    return folder


@pytest.mark.usefixtures("as_owner")
@pytest.mark.parametrize(
    ("variables", "arguments", "message"), [r[1:] for r in REFUSALS], ids=[r[0] for r in REFUSALS]
)
def test_a_refusal_is_one_message(
    kafka: KafkaCluster, several: Path, monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str | None], arguments: tuple[str, ...], message: str,
) -> None:  # fmt: skip
    for name, value in variables.items():
        if value is None:
            monkeypatch.delenv(name)
        else:
            value = kafka.password if value == "filebeat's" else value
            monkeypatch.setenv(name, value)
    done = servestack("events", "prod", *arguments, folder=several)
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr
    assert done.stderr.count("SRV") == 1
    assert "Traceback" not in done.stderr
    for secret in kafka.passwords.values():
        assert secret not in done.stderr


@pytest.mark.usefixtures("as_owner")
def test_a_file_stays_as_it_was_where_reading_fails(kafka: KafkaCluster, several: Path) -> None:
    (several / "old.ndjson").write_text("old\n")
    arguments = ("empty", "--to", "old.ndjson")
    assert servestack("events", "prod", *arguments, folder=several).returncode == 1
    assert (several / "old.ndjson").read_text() == "old\n"
    assert list(several.glob(".*")) == []
    arguments = ("full", "--to", "old.ndjson")
    assert servestack("events", "prod", *arguments, folder=several).returncode == 0
    assert len((several / "old.ndjson").read_text().splitlines()) == 10


@pytest.mark.usefixtures("as_owner")
def test_head_closes_the_pipe_without_a_word(kafka: KafkaCluster, tmp_path: Path) -> None:
    folder = project(tmp_path, kafka, "piped")
    kafka.create_topics("piped")
    send(kafka, "piped", "predictions", predictions(5000))
    command = [sys.executable, "-m", "servestack.cli.entry", "events", "prod", "piped"]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert json.loads(process.stdout.readline())["data"]["variant"] == "canary"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


def test_brokers_that_go_silent_end_the_reading(
    kafka: KafkaCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka.create_topics("silent")
    lines = predictions(2000, rows=[["x" * 1000]] * 2)
    send(kafka, "silent", "predictions", lines)
    # So little is fetched ahead that most is still at the broker when it stops.
    for name, value in {"queued.max.messages.kbytes": 1, "fetch.max.bytes": 10_000}.items():
        monkeypatch.setitem(topic._SETTINGS, name, value)
    monkeypatch.setitem(topic._SETTINGS, "message.max.bytes", 10_000)
    monkeypatch.setattr(topic, "SILENCE_SECONDS", 3)
    monkeypatch.setattr(topic, "_BATCH", 10)
    progress = topic.Progress()
    found = topic.messages(kafka.client_settings(OWNER), "servestack.silent.predictions", progress)
    assert next(found) in lines
    with kafka.hanging(), pytest.raises(KafkaError, match=r"SRV567 .* the brokers .* went silent"):
        list(found)
    assert 0 < progress.done < progress.total == len(lines)


PAGE = "docs/how-to/read-the-events.md"


@pytest.mark.usefixtures("as_owner")
def test_the_commands_of_the_page_work(
    kafka: KafkaCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project(tmp_path, kafka, "iris")
    kafka.create_topics("iris")
    now = datetime.now(UTC).timestamp()
    id_of_page = "0b5a7c1e-6c1f-4f0e-9a57-0d9b1f3f3c11"
    events = PredictionEvents(SETTINGS, clock=lambda: now)
    asked = [answered(number) for number in range(9)]
    asked.append(Answered(id_of_page.encode(), None, "iris", "4", rows=[[1, 2]], values=[0]))
    send(kafka, "iris", "predictions", [line for one in asked if (line := events.line(one))])
    git = ("git", "-c", "user.name=Ana", "-c", "user.email=ana@example.com")
    assert servestack("render", "prod", folder=folder).returncode == 0
    for arguments in (("init", "-q"), ("add", "."), ("commit", "-qm", "Render")):
        subprocess.run([*git, *arguments], cwd=folder, check=True)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    said = {}
    for block in blocks_of(REPOSITORY / PAGE, PAGE):
        if block.language == "sh" and block.first_line.startswith(("servestack events", "git log")):
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block.text], cwd=folder, capture_output=True,
                text=True, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
            said[block.first_line] = done.stdout
    one, head, by_id, joined, table, commits = said.values()
    assert [len(text.splitlines()) for text in (one, head, by_id)] == [10, 3, 1]
    assert (joined, table) == ("", "")
    assert len((folder / "answers.ndjson").read_text().splitlines()) == 10
    assert pyarrow.parquet.read_table(folder / "answers.parquet").num_rows == 10
    config = yaml.safe_load((folder / "rendered/prod/iris/configmap-iris-server.yaml").read_text())
    mounted = folder / "service.json"
    mounted.write_text(config["data"]["service.json"])
    assert commits.split()[1:] == [settings_digest(mounted)]


@pytest.mark.usefixtures("as_owner")
def test_a_model_is_compared_with_its_shadow(kafka: KafkaCluster, tmp_path: Path) -> None:
    """3,000 requests under their ids, over several partitions, of which the shadow has a share."""
    shadow = {"artifact": "models:/iris@candidate", "percent": 50}
    folder = project(tmp_path, kafka, "shaded", shadow=shadow)
    kafka.create_topics("shaded")
    ours = predictions(3000)
    theirs = [
        line.replace(b'"variant":"canary"', b'"variant":"shadow"')
        for number, line in enumerate(predictions(3000))
        if is_copied(answered(number).id, crc_limit(50)) and number % 100
    ]
    # Every tenth answer of the shadow is another one.
    other = b'"outputs":[7],'
    theirs[::10] = [re.sub(rb'"outputs":\[\d\],', other, line) for line in theirs[::10]]
    assert theirs[0].count(other) == 1
    send(kafka, "shaded", "predictions", [*theirs[:100], *ours, *theirs[100:], *theirs[:5]])
    done = servestack("shadow", "prod", "shaded", "--output", "json", folder=folder)
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    sampled = sum(is_copied(answered(number).id, crc_limit(50)) for number in range(3000))
    assert data["events"] == {
        "model": 3000, "shadow": len(theirs), "repeated": 5, "unreadable": 0,
    }  # fmt: skip
    assert data["requests"]["compared"] == len(theirs)
    assert data["requests"]["onlyModel"] == sampled - len(theirs)
    assert data["requests"]["notSampled"] == 3000 - sampled
    different = len(theirs[::10])
    assert data["rows"]["agreement"] == pytest.approx(1 - different / len(theirs))
    assert sum(pair["count"] for pair in data["columns"]["output"]["mostOften"]) == different

    text = servestack("shadow", "prod", "shaded", folder=folder).stdout
    assert f"{len(theirs)} requests answered by both" in text

    events, said = read(folder, "shaded")
    assert numbers(events) == list(range(3000)), "the model's own, each once"
    assert f"{len(theirs) + 5} of its shadow left out" in said
    events, _ = read(folder, "shaded", "--shadow")
    assert len(events) == len(theirs)


@pytest.mark.usefixtures("as_owner")
def test_a_shadow_without_events_is_a_problem_of_its_own(
    kafka: KafkaCluster, tmp_path: Path
) -> None:
    folder = project(tmp_path, kafka, "unshaded")
    kafka.create_topics("unshaded")
    send(kafka, "unshaded", "predictions", predictions(3))
    done = servestack("shadow", "prod", "unshaded", folder=folder)
    assert done.returncode == 1
    assert "SRV582" in done.stderr
    assert "write shadow: {artifact: …}" in done.stderr
    shadows = [
        line.replace(b'"variant":"canary"', b'"variant":"shadow"') for line in predictions(2, 9)
    ]
    send(kafka, "unshaded", "predictions", shadows)
    done = servestack("shadow", "prod", "unshaded", folder=folder)
    assert (done.returncode, "SRV583" in done.stderr) == (1, True)


SPLIT = {
    "artifact": None,
    "models": [{"name": "a", "artifact": "models:/a/1"}, {"name": "b", "artifact": "models:/b/1"}],
    "graph": {
        "kind": "split", "stickyBy": "X-User",
        "branches": [{"node": "a", "weight": 70}, {"node": "b", "weight": 30}],
    },
    "logging": {"access": True},
    "experiment": {
        "metric": "feedback.clicked", "minimumEffect": 0.2,
        "guardrails": [{"metric": "errors", "worseThan": 0.05}],
    },
}  # fmt: skip


@pytest.mark.usefixtures("as_owner")
def test_the_answer_of_an_experiment_is_exact(kafka: KafkaCluster, tmp_path: Path) -> None:
    """400 users with two requests each, over several partitions, feedback before its prediction."""
    folder = project(tmp_path, kafka, "tried", **SPLIT)
    kafka.create_topics("tried")
    logged, accesses, given = [], [], []
    clicks: dict[str, list[float]] = {"a": [], "b": []}
    now = [START]
    events = PredictionEvents(SETTINGS, origin=ORIGIN, clock=lambda: now[0])
    others = OtherEvents(EVENTS, origin=ORIGIN)
    for user in range(400):
        key = f"user-{user}".encode()
        branch = "ab"[branch_at(point("tried", key), (70, 30))]
        assigned = f',"branch":"{branch}","unit":"{unit_of(key)}"'.encode()
        numbers_of_user = (2 * user, 2 * user + 1)
        # The first request is answered with feedback, 2 of 10 in a and 6 of 10 in b; the second fails
        # for each tenth user of a.
        clicked = user % 10 < (2 if branch == "a" else 6)
        fails = user % 10 == 0 and branch == "a"
        now[0] = START + numbers_of_user[0]
        line = events.line(answered(numbers_of_user[0], assigned=assigned))
        assert line is not None
        logged.append(line)
        given.append(feedback(numbers_of_user[0], {"clicked": clicked}, numbers_of_user[0] + 1))
        clicks[branch].append(float(clicked))
        for number, status in zip(numbers_of_user, (200, 500 if fails else 200), strict=True):
            about = answered(number, assigned=assigned, status=status)
            accesses.append(others.access(about, START + number))
    late = feedback(0, {"clicked": True}, 3600 * 2)
    accesses.append(others.access(answered(9000), START))
    shuffled = [*logged[200:], *logged[:200], *logged[:50], b"no event"]
    send(kafka, "tried", "feedback", [*given[::-1], late, given[3]])
    send(kafka, "tried", "predictions", shuffled)
    send(kafka, "tried", "access", accesses)
    done = servestack("experiment", "prod", "tried", "--output", "json", folder=folder)
    assert done.returncode == 0, done.stderr
    data = json.loads(done.stdout)
    assert (data["verdict"], data["winners"]) == ("better", ["b"])
    assert data["split"]["units"] == {name: len(one) for name, one in clicks.items()}
    for name, one in clicks.items():
        mean = sum(one) / len(one)
        told = data["variants"][name]
        assert told == {"units": len(one), "mean": pytest.approx(mean), "missingFeedback": 0}
    means = {name: sum(one) / len(one) for name, one in clicks.items()}
    (comparison,) = data["comparisons"]
    assert comparison["difference"] == pytest.approx(means["b"] - means["a"])
    low, high = comparison["sequence"]
    assert 0 < low < comparison["difference"] < high
    (guardrail,) = data["guardrails"]
    assert (guardrail["metric"], guardrail["guard"]) == ("errors", "kept")
    assert guardrail["means"][1] == 0
    assert guardrail["means"][0] == pytest.approx(0.05, abs=0.01), "half of each tenth user's"
    assert data["read"]["requests"] == 800
    assert (data["read"]["repeated"], data["read"]["unmatchedFeedback"]) == (50, 1)

    text = servestack("experiment", "prod", "tried", folder=folder).stdout
    assert text.startswith("tried: b is better than a\n")
    early = ("--until", "2026-11-30T10:10Z", "--fail-on", "keep-going", "-o", "markdown")
    done = servestack("experiment", "prod", "tried", *early, folder=folder)
    assert (done.returncode, done.stderr) == (3, ""), "no unit's hour was over then"
    assert done.stdout.startswith("**tried: keep going: about 334 more units expected**\n")


@pytest.mark.usefixtures("as_owner")
def test_two_services_are_an_experiment_too(kafka: KafkaCluster, tmp_path: Path) -> None:
    """Each has its own topics; the feedback to one's answers came to the other's pods."""
    experiment = {
        "metric": "feedback", "minimumEffect": 0.2,
        "variants": {"old": {"service": "first", "share": 50}, "new": {"service": "second", "share": 50}},
    }  # fmt: skip
    folder = project(tmp_path, kafka, "second")
    project(tmp_path, kafka, "first", experiment=experiment)
    for model in ("first", "second"):
        kafka.create_topics(model)
    send(kafka, "first", "predictions", predictions(400))
    done = servestack("experiment", "prod", "second", folder=folder)
    assert (done.returncode, "SRV597 second has no experiment" in done.stderr) == (1, True)
    done = servestack("experiment", "prod", "first", "--since", "2026-12-30", folder=folder)
    assert "SRV568 --since is not before" in done.stderr
    done = servestack("experiment", "prod", "first", "--since", "2026-11-30T11:30Z", folder=folder)
    assert (done.returncode, done.stdout) == (1, "")
    assert "SRV598 no event of old, new from this time (0 of no variant)" in done.stderr
    send(kafka, "second", "predictions", [b"of an hour that the brokers delete"])
    topic_of_second = "servestack.second.predictions"
    partitions = kafka.admin.list_topics(topic_of_second).topics[topic_of_second].partitions
    oldest = [TopicPartition(topic_of_second, partition, OFFSET_END) for partition in partitions]
    for deleted in kafka.admin.delete_records(oldest).values():
        deleted.result(timeout=30)
    send(kafka, "second", "predictions", predictions(400, 1000))
    send(kafka, "first", "feedback", [feedback(1000 + n, n % 10 < 8, 1600) for n in range(400)])
    send(kafka, "second", "feedback", [feedback(n, n % 10 < 1, 600) for n in range(400)])
    done = servestack("experiment", "prod", "first", folder=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("first: new is better than old\n")
    assert "servestack.second.predictions no longer holds its oldest messages" in done.stderr
    assert done.stderr.count("warning") == 1, "the other topics are whole"
    assert "new - old   +0.7, 95% sequence" in done.stdout
    project(tmp_path, kafka, "first", experiment=experiment | {"stickyBy": "X-User"})
    done = servestack("experiment", "prod", "first", folder=folder)
    assert done.returncode == 1
    assert "SRV596 the 400 events of old do not name their unit" in done.stderr
