"""Models with thousands of columns: what each way of applying takes, and what `check` says of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from servestack.manifests.assemble import build_service_manifests
from servestack.manifests.server_settings import build_server_config_map
from servestack.review.policy.rule import Subject
from servestack.review.policy.sizes import ANNOTATION_BYTES, annotation_bytes, size_as_encoded
from servestack.yaml_writer import dump
from servestack_contract.settings import FILE, read_settings
from tests.support.apiserver import CONTEXT, ApiServer
from tests.support.services import resolved


def of_columns(folder: Path, count: int) -> Subject:
    """A model whose signature has that many columns."""
    columns = [
        {"name": f"feature_<{number:04d}>", "type": "double", "required": True}
        for number in range(count)
    ]
    service = resolved(folder, {}, {"namespace": "default"}, {"signature": {"inputs": columns}})
    return Subject(service, tuple(build_service_manifests(service)))


def apply(apiserver: ApiServer, file: Path, *options: str) -> subprocess.CompletedProcess[str]:
    kubectl: list[str | Path] = [
        Path(sys.executable).with_name("kubectl"), f"--kubeconfig={apiserver.kubeconfig}",
        f"--context={CONTEXT}", "apply", *options, "-f", file,
    ]  # fmt: skip
    return subprocess.run(kubectl, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("count", "fits"), [(2000, True), (6000, False)])
def test_signature_2000_columns(
    count: int, fits: bool, apiserver: ApiServer, tmp_path: Path
) -> None:
    """`check` warns of exactly what a client-side apply fails on; a server-side one takes both."""
    subject = of_columns(tmp_path, count)
    body: dict[str, Any] = build_server_config_map(subject.service)
    settings = read_settings(body["data"][FILE].encode())
    assert settings.input.columns is not None
    assert len(settings.input.columns) == count
    assert bool([*size_as_encoded.check(subject)]) != fits
    file = tmp_path / "configmap.yaml"
    file.write_text(dump(body))
    try:
        done = apply(apiserver, file)
        assert (done.returncode == 0) == fits, done.stderr
        if fits:
            stored = apiserver.client.get(body)
            assert stored is not None
            annotations = stored["metadata"]["annotations"]
            kept_bytes = sum(len(f"{key}{value}".encode()) for key, value in annotations.items())
            assert kept_bytes == annotation_bytes(body) < ANNOTATION_BYTES
        else:
            assert f"may not be more than {ANNOTATION_BYTES} bytes" in done.stderr
        server_side = apply(apiserver, file, "--server-side", "--force-conflicts")
        assert server_side.returncode == 0, server_side.stderr
    finally:
        apiserver.client.delete(body)
