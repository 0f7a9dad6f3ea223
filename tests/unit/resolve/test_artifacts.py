"""Artifacts outside a registry: digests, what they say of themselves, files, https, buckets."""

from __future__ import annotations

import http.server
import json
import os
import re
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from servestack.errors import Location, RegistryError
from servestack.resolve import artifact_store
from servestack.resolve.artifact_store import ArtifactStore
from servestack.resolve.digest import digest_of
from servestack.resolve.lock import Lock
from servestack.resolve.locking import LockRequest, lock_artifacts
from servestack.resolve.model_facts import ModelFacts, read_example, read_facts
from servestack.spec.artifact_uri import parse_artifact_uri
from servestack_contract import artifact
from servestack_contract.mlmodel import FLAVOR_BY_SUFFIX


def lock_one(root: Path, uri: str, lock: Lock | None = None, *, refresh: bool = False) -> Lock:
    store = ArtifactStore(root)
    request = LockRequest("iris", "iris", uri, Location(Path("models/iris.yaml"), 4, 1))
    report = lock_artifacts([request], lock or Lock("prod"), lambda uri: store, refresh=refresh)
    return report.lock


@pytest.mark.parametrize("suffix", sorted(FLAVOR_BY_SUFFIX))
def test_every_bare_model_file_has_a_format(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"model{suffix}"
    file.touch()
    assert read_facts(file).format, f"add {suffix} to resolve/model_facts.py"


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


def test_the_digest_is_what_a_shell_computes(tmp_path: Path) -> None:
    files = (
        "b",
        "a.b",
        "a/b",
        "a/ä b",
        "a-b",
        "Z",
        "sub/registered_model_meta",
        "registered_model_meta",
    )
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    documented = re.search(r"cd folder && (find.*?sha256sum)\n\n", str(artifact.__doc__), re.DOTALL)
    assert documented is not None
    shell = subprocess.run(
        ["bash", "-c", documented[1]], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert digest_of(tmp_path).sha256 == shell.stdout.split()[0]
    counted = [name for name in files if name != "registered_model_meta"]
    assert digest_of(tmp_path).size_bytes == sum(len(name.encode()) for name in counted)


@pytest.mark.parametrize("name", [b"a\nb", b"a\rb", b"a\\b", b"a\xff"])
def test_a_name_that_could_stand_for_two_folders_is_refused(tmp_path: Path, name: bytes) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / os.fsdecode(name)).write_bytes(b"")
    with pytest.raises(RegistryError, match=r"SRV221 .*no checksum file can hold"):
        digest_of(tmp_path)


def test_a_pipe_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    os.mkfifo(tmp_path / "b")
    with pytest.raises(RegistryError, match=r"SRV221 b is neither a file nor a folder"):
        digest_of(tmp_path)


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


@pytest.mark.parametrize(
    ("flavor", "files", "format"),
    [
        ("sklearn: {serialization_format: cloudpickle}", ["weights.dat"], "pickle"),
        ("sklearn: {serialization_format: skops}", ["model.skops"], "skops"),
        ("transformers: {}", ["model/pytorch_model-00001.bin"], "pickle"),
        ("transformers: {}", ["model/model.safetensors", "tokenizer.bin"], "native"),
        ("xgboost: {}", ["model.json", "input_example.json"], "native"),
        ("python_function: {}", ["python_model.pkl"], "pickle"),
    ],
)
def test_formats(tmp_path: Path, flavor: str, files: list[str], format: str) -> None:
    (tmp_path / "MLmodel").write_text(f"flavors: {{{flavor}}}\n")
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(b"x")
    assert read_facts(tmp_path).format == format


def _nested_merges() -> str:
    """Nine levels of nine merges: 9**9 keys to copy for a reader that follows them."""
    levels = ["a0: &a0 {x: 1}"]
    levels += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 10)]
    return "\n".join(levels)


@pytest.mark.parametrize(
    "text",
    ["flavors: 5", "flavors: [sklearn]", "flavors: sklearnish", "a: 2001-99-99", "a: " + "[" * 5000,
     "[1]", "", "\x00", _nested_merges()],
)  # fmt: skip
def test_an_mlmodel_that_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "MLmodel").write_text(text)
    facts = read_facts(tmp_path)
    assert facts == ModelFacts(loading=facts.loading)
    assert facts.loading.unservable


@pytest.mark.parametrize(
    "inputs",
    ["[1]", "{}", '[{"name": "a"}]', '[{"type": "tensor"}]', "[" * 99999,
     '[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": ["x"]}}]'],
)  # fmt: skip
def test_a_signature_that_is_none(tmp_path: Path, inputs: str) -> None:
    (tmp_path / "MLmodel").write_text(yaml.safe_dump({"signature": {"inputs": inputs}}))
    assert read_facts(tmp_path).signature is None


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
        ({"inputs": ["a", "b"]}, ["a"]),
        ({"inputs": [{"a": 1}], "params": {"k": 1}}, [{"a": 1}]),
        ({"inputs": [1, 2]}, None),
        ({"inputs": {"a": 1}}, None),
        ({"inputs": {"a": [[1, 2], [3, 4]], "b": [5, 6]}}, {"inputs": {"a": [[1, 2]], "b": [5]}}),
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


@pytest.mark.parametrize(("extra", "client"), [("s3", "boto3"), ("gs", "google.cloud.storage")])
def test_a_missing_client_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extra: str, client: str
) -> None:
    for name in [client, *(name for name in sys.modules if name.startswith(f"{client}."))]:
        monkeypatch.setitem(sys.modules, name, None)
    if client.startswith("google"):
        import google.cloud

        monkeypatch.delattr(google.cloud, "storage", raising=False)
    with pytest.raises(RegistryError, match=rf"SRV227 .*\n.*servestack\[{extra}\]"):
        lock_one(tmp_path, f"{extra}://bucket/models/iris")


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

        def do_GET(self) -> None:
            if self.path == "/short.onnx":
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b"0123")
            elif self.path == "/chunks.onnx":
                self.protocol_version = "HTTP/1.1"
                self.close_connection = True
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.wfile.write(b"5\r\n01234\r\nff\r\n01")
            elif self.path == "/garbage.onnx":
                self.wfile.write(b"garbage\r\n\r\n")
            elif self.path in ("/elsewhere.onnx", "/plain.onnx"):
                self.send_response(302)
                scheme = "https" if self.path == "/elsewhere.onnx" else "http"
                self.send_header("Location", f"{scheme}://localhost:{server.server_port}/m.onnx")
                self.end_headers()
            else:
                super().do_GET()

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
    moved = lock_one(tmp_path, f"{address}/elsewhere.onnx").models["iris"]["iris"]
    assert moved.sha256 == artifact.sha256


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("short.onnx", "it ended after 4 of 1,000 bytes"),
        ("chunks.onnx", "IncompleteRead"),
        ("garbage.onnx", "garbage"),
        ("plain.onnx", r"it redirects to http://localhost:\d+/m.onnx, which is not https"),
        ("large.onnx", "it is larger than 1,000 bytes"),
    ],
)
def test_https_that_ends_early_or_leads_astray(
    tmp_path: Path,
    https: tuple[Path, str],
    monkeypatch: pytest.MonkeyPatch,
    file: str,
    words: str,
) -> None:
    folder, address = https
    (folder / "large.onnx").write_bytes(b"0" * 1001)
    monkeypatch.setattr(artifact_store, "MAX_DOWNLOAD_BYTES", 1000)
    with pytest.raises(RegistryError, match=f"SRV226 .*{words}"):
        lock_one(tmp_path, f"{address}/{file}")


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
