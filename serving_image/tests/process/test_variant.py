"""A pod that is promoted: what its metrics say before and after, without a restart."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
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
