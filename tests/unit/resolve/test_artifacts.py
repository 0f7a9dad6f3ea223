"""Artifacts outside a registry: digests, what they say of themselves, files, https, buckets."""

from __future__ import annotations

import http.server
import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from servestack.errors import Location, RegistryError
from servestack.resolve.artifact_store import ArtifactStore
from servestack.resolve.digest import digest_of
from servestack.resolve.lock import Lock
from servestack.resolve.locking import LockRequest, lock_artifacts
from servestack.resolve.model_facts import read_example, read_facts
from servestack.spec.artifact_uri import parse_artifact_uri


def lock_one(root: Path, uri: str, lock: Lock | None = None, *, refresh: bool = False) -> Lock:
    store = ArtifactStore(root)
    request = LockRequest("iris", "iris", uri, Location(Path("models/iris.yaml"), 4, 1))
    report = lock_artifacts([request], lock or Lock("prod"), lambda uri: store, refresh=refresh)
    return report.lock


def test_a_changed_file_changes_the_digest(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/c").write_bytes(b"1")
    first = digest_of(tmp_path / "a")
    (tmp_path / "a/b/c").write_bytes(b"2")
    second = digest_of(tmp_path / "a")
    (tmp_path / "a/b/c").rename(tmp_path / "a/b/d")
    third = digest_of(tmp_path / "a")
    assert len({first.sha256, second.sha256, third.sha256}) == 3
    (tmp_path / "a/registered_model_meta").write_text("written by MLflow on download")
    assert digest_of(tmp_path / "a") == third


def test_links_and_empty_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(RegistryError, match="holds no files"):
        digest_of(tmp_path / "a")
    (tmp_path / "a/passwd").symlink_to("/etc/passwd")
    with pytest.raises(RegistryError, match="is a link"):
        digest_of(tmp_path / "a")


@pytest.mark.parametrize(
    ("file", "flavor", "format"),
    [
        ("model.onnx", "onnx", "onnx"),
        ("model.pkl", "", "pickle"),
        ("model.joblib", "", "pickle"),
        ("model.ubj", "", "native"),
        ("notes.doc", "", ""),
    ],
)
def test_a_bare_file(tmp_path: Path, file: str, flavor: str, format: str) -> None:
    (tmp_path / file).write_bytes(b"x")
    facts = read_facts(tmp_path / file)
    assert (facts.flavor, facts.format) == (flavor, format)


def test_one_pickle_makes_the_artifact_one(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text(
        "flavors: {python_function: {}, sklearn: {}}\nsignature: {inputs: 'broken'}\n"
    )
    (tmp_path / "model.skops").write_bytes(b"x")
    assert read_facts(tmp_path).format == "skops"
    (tmp_path / "preprocessing.pkl").write_bytes(b"x")
    facts = read_facts(tmp_path)
    assert (facts.flavor, facts.format, facts.signature) == ("sklearn", "pickle", None)


def test_nothing_is_loaded_from_a_hostile_mlmodel(tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    (tmp_path / "MLmodel").write_text(f"a: !!python/object/apply:os.system ['touch {mark}']\n")
    assert read_facts(tmp_path).flavor == ""
    assert not mark.exists()


@pytest.mark.parametrize(
    ("body", "example"),
    [
        ({"dataframe_split": {"columns": ["a"], "data": [[1], [2]]}}, [[1]]),
        ({"inputs": [[1, 2]]}, [[1, 2]]),
        ({"inputs": {"a": 1}}, None),
        ("text", None),
    ],
)
def test_examples(tmp_path: Path, body: object, example: object) -> None:
    (tmp_path / "serving_input_example.json").write_text(json.dumps(body))
    assert read_example(tmp_path) == example


def test_a_file_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts/m.onnx").write_bytes(b"1")
    lock = lock_one(tmp_path, "file:artifacts/m.onnx")
    artifact = lock.models["iris"]["iris"]
    assert (artifact.format, artifact.size_bytes) == ("onnx", 1)
    (tmp_path / "artifacts/m.onnx").write_bytes(b"2")
    again = lock_one(tmp_path, "file:artifacts/m.onnx", lock)
    assert again.models["iris"]["iris"].sha256 != artifact.sha256


def test_what_is_not_there_is_told_at_the_specs_line(tmp_path: Path) -> None:
    with pytest.raises(RegistryError) as caught:
        lock_one(tmp_path, "file:artifacts/m.onnx")
    (problem,) = caught.value.problems
    assert (problem.id, str(problem.location)) == ("SRV226", "models/iris.yaml:4:1")


def test_an_artifact_in_the_image_is_not_asked_for(tmp_path: Path) -> None:
    artifact = lock_one(tmp_path, "/opt/models/iris").models["iris"]["iris"]
    assert (artifact.source, artifact.sha256) == ("/opt/models/iris", "")


@pytest.mark.parametrize(("scheme", "extra"), [("s3", "s3"), ("gs", "gs")])
def test_a_missing_client_is_named(tmp_path: Path, scheme: str, extra: str) -> None:
    with pytest.raises(RegistryError, match=rf"SRV227 .*\n.*servestack\[{extra}\]"):
        lock_one(tmp_path, f"{scheme}://bucket/models/iris")


@pytest.fixture
def https(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    """A real HTTPS server on 127.0.0.1, whose certificate is trusted; yields folder and address."""
    folder = tmp_path / "served"
    folder.mkdir()
    certificate, key = tmp_path / "crt.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-keyout", key,
         "-out", certificate, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(folder))  # type: ignore[arg-type]

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    yield folder, f"https://localhost:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_https(tmp_path: Path, https: tuple[Path, str]) -> None:
    folder, address = https
    (folder / "m.onnx").write_bytes(b"0123")
    artifact = lock_one(tmp_path, f"{address}/m.onnx").models["iris"]["iris"]
    assert (artifact.format, artifact.size_bytes) == ("onnx", 4)
    assert artifact.sha256 == digest_of(folder / "m.onnx").sha256
    with pytest.raises(RegistryError, match=r"SRV226 .*File not found"):
        lock_one(tmp_path, f"{address}/other.onnx")


def test_https_with_a_certificate_that_nobody_vouches_for(
    tmp_path: Path, https: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(RegistryError, match=r"SRV226 .*CERTIFICATE_VERIFY_FAILED"):
        lock_one(tmp_path, f"{https[1]}/m.onnx")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("models:/a@b", "registered"), ("models:/a/3", "registered"), ("models:/a/Production", "registered"),
        ("runs:/0123456789abcdef0123456789abcdef/model", "run"), ("s3://b/k", "remote"),
        ("gs://b/k", "remote"), ("https://h/p", "remote"), ("file:a", "local"), ("file:///a", "local"),
        ("/opt/a", "in-image"),
    ],
)  # fmt: skip
def test_every_form_of_address(text: str, kind: str) -> None:
    assert parse_artifact_uri(text).kind == kind
