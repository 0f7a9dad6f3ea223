"""A pod that is promoted: what its metrics say before and after, without a restart."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from serving_image.tests.events.event_support import VALIDATOR
from serving_image.tests.process.event_log import KINDS, events, read
from serving_image.tests.process.load import wait_until
from serving_image.tests.support.iris import Iris
from serving_image.tests.support.server import RunningServer, running_server

from servestack_server.variant import VariantFile


def mounted(folder: Path, variant: str) -> Path:
    """Write the file as the kubelet does: a link to a link to a folder, swapped as a whole."""
    folder.mkdir(exist_ok=True)
    number = len(list(folder.iterdir()))
    (folder / f"..{number}").mkdir()
    (folder / f"..{number}" / "variant").write_text(variant)
    (folder / "..new").symlink_to(f"..{number}")
    (folder / "..new").replace(folder / "..data")
    if not (folder / "variant").is_symlink():
        (folder / "variant").symlink_to("..data/variant")
    return folder / "variant"


def requests(server: RunningServer) -> dict[tuple[str, str, str, str], float]:
    """Counters by (name, version, variant, endpoint)."""
    text = server.get("/metrics").body.decode()
    return {
        (s.name, s.labels["version"], s.labels["variant"], s.labels["endpoint"]): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
        if s.name in ("servestack_requests_total", "servestack_request_duration_seconds_count")
    }


def test_a_promoted_canary_counts_as_stable(iris: Iris, tmp_path: Path) -> None:
    file = mounted(tmp_path / "pod-info", "canary")
    config = iris.config(variantFile=str(file))
    path = "/v1/iris/predict"
    counter, histogram = "servestack_requests_total", "servestack_request_duration_seconds_count"
    with running_server(config, tmp_path / "server", versions={"iris": "4"}) as server:
        server.post(path, [iris.rows[0]])
        found = requests(server)
        assert {key[2] for key in found} == {"canary"}
        assert found[counter, "4", "canary", path] == found[histogram, "4", "canary", path] == 1
        mounted(tmp_path / "pod-info", "stable")
        wait_until(lambda: (counter, "4", "stable", path) in requests(server))
        # The new series begin at 0, or Prometheus would not see the first requests.
        assert requests(server)[counter, "4", "stable", path] == 0
        for _ in range(2):
            server.post(path, [iris.rows[0]])
        found = requests(server)
        assert found[counter, "4", "stable", path] == found[histogram, "4", "stable", path] == 2
        assert found[counter, "4", "canary", path] == found[histogram, "4", "canary", path] == 1
        assert "this pod is now stable" in server.said()


TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
INVALID = f"00-{'0' * 32}-00f067aa0ba902b7-01"


def test_events_of_every_path_say_which_pod_answered(iris: Iris, tmp_path: Path) -> None:
    """Which side, with which settings, in whose trace; each as the schema has it."""
    file = mounted(tmp_path / "pod-info", "canary")
    config = iris.config(
        variantFile=str(file),
        protocols=["seldon"],
        events=events(tmp_path / "events", *KINDS, source="/models/iris"),
    )
    row, base = iris.rows[0], "/v1/iris"
    names = config["input"]["columns"]
    tensors = {"inputs": [{"name": "input", "shape": [1, 4], "datatype": "FP64", "data": row}]}
    asked = [
        (f"{base}/predict", [row]), (f"{base}/batch", [row]), (f"{base}/predict", [["no number"]]),
        (f"{base}/predict", {"instances": [row]}), ("/invocations", {"inputs": [row]}),
        ("/v2/models/iris/infer", tensors),
        ("/api/v1.0/predictions", {"data": {"ndarray": [row], "names": [n["name"] for n in names]}}),
    ]  # fmt: skip
    with running_server(config, tmp_path / "server") as server:
        predicted = [
            (path, trace if trace == TRACE else None)
            for path, body in asked
            for trace in (TRACE, INVALID)
            if server.post(path, body, {"traceparent": trace}).status == 200
        ]
        feedback = {"id": "0b5a7c1e-6c1f", "feedback": 1}
        server.post(f"{base}/feedback", feedback, {"traceparent": TRACE})
        server.get("/nothing", {"traceparent": TRACE})
        mounted(tmp_path / "pod-info", "stable")
        wait_until(lambda: "this pod is now stable" in server.said())
        server.post(f"{base}/predict", [row])
        assert server.stop() == 0
    digest = hashlib.sha256((tmp_path / "server/service.json").read_bytes()).hexdigest()
    found = {
        kind: read(tmp_path / "events", kind) for kind in ("predictions", "feedback", "access")
    }
    for event in (event for kind in found.values() for event in kind):
        VALIDATOR.validate(event)
        assert event["data"]["specDigest"] == digest
    *before, after = found["predictions"]
    assert {event["data"]["variant"] for event in before} == {"canary"}
    assert after["data"]["variant"] == "stable"
    assert len(predicted) == 2 * (len(asked) - 1), "only what is no number is refused"
    assert [(e["data"]["endpoint"], e.get("traceparent")) for e in before] == predicted
    assert [event["traceparent"] for event in found["feedback"]] == [TRACE]


@pytest.mark.parametrize(
    ("content", "variant", "complaint"),
    [
        ("canary", "canary", ""),
        ("shadow\n", "shadow", ""),
        ("", "stable", ""),
        ("green", "stable", "'green' is not one of stable, canary, shadow"),
        (None, "stable", "cannot be read"),
    ],
)
def test_only_known_variants_become_labels(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    content: str | None,
    variant: str,
    complaint: str,
) -> None:
    file = tmp_path / "variant"
    if content is not None:
        file.write_text(content)
    found = VariantFile(str(file))
    assert found.current == variant
    found.refresh()
    assert [complaint in record.message for record in caplog.records] == [True] * bool(complaint)
