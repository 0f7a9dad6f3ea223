"""Artifacts in S3 and GCS, as moto and the GCS emulator speak them."""

from __future__ import annotations

import hashlib
import random
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from serving_image.tests.support.fetching import Fetch
from tests.support.azurite import resolve_localhost
from tests.support.ports import free_ports

from servestack_contract.artifact import Pin
from servestack_server.errors import StartError
from servestack_server.fetch.digest import digest_of
from servestack_server.fetch.sources.object_store import ObjectStoreSource

from .range_server import serving
from .test_digest import write

Put = Callable[[str, bytes], None]
MODEL = random.Random(3).randbytes(1 << 20)


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    (port,) = free_ports(1)
    server = ThreadedMotoServer("127.0.0.1", port, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Put:
    import boto3  # type: ignore[import-untyped]

    for name, value in {
        "AWS_ENDPOINT_URL": s3_server, "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="models")
    return lambda key, body: client.put_object(Bucket="models", Key=key, Body=body) and None


@pytest.fixture(scope="module")
def gs_server() -> Iterator[str]:
    from gcp_storage_emulator.server import create_server  # type: ignore[import-untyped]

    (port,) = free_ports(1)
    server = create_server("127.0.0.1", port, in_memory=True, default_bucket="models")
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def gs(gs_server: str, monkeypatch: pytest.MonkeyPatch) -> Put:
    from fsspec.config import conf

    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gs_server)
    # What FSSPEC_GS_TOKEN=anon does when fsspec is imported.
    monkeypatch.setitem(conf, "gs", {"token": "anon"})

    def put(key: str, body: bytes) -> None:
        url = f"{gs_server}/upload/storage/v1/b/models/o?uploadType=media&name={key}"
        headers = {"Content-Type": "application/octet-stream"}
        request = urllib.request.Request(url, body, headers, method="POST")
        urllib.request.urlopen(request).close()

    return put


@pytest.fixture(params=["s3", "gs"])
def store(request: pytest.FixtureRequest) -> tuple[str, Put]:
    """The scheme, and a function that puts an object into the bucket `models`."""
    return request.param, request.getfixturevalue(request.param)


def test_a_folder(store: tuple[str, Put], run: Fetch, tmp_path: Path) -> None:
    scheme, put = store
    tree = {"MLmodel": b"flavors: {}", "data": {"model.json": MODEL, "small": b"1"}}
    write(tree, tmp_path / "model")
    put("iris/MLmodel", b"flavors: {}")
    put("iris/data/model.json", MODEL)
    put("iris/data/small", b"1")
    put("iris-other/MLmodel", b"another")
    digest = digest_of(tmp_path / "model")
    run(Pin("iris", f"{scheme}://models/iris", digest))
    assert digest_of(tmp_path / "models/iris") == digest
    assert len(run(Pin("iris", f"{scheme}://models/iris/", digest))) == 1


def test_one_object(store: tuple[str, Put], run: Fetch, tmp_path: Path) -> None:
    scheme, put = store
    put("bare/model.onnx", MODEL)
    run(Pin("m", f"{scheme}://models/bare/model.onnx", hashlib.sha256(MODEL).hexdigest()))
    assert (tmp_path / "models/m/model.onnx").read_bytes() == MODEL


def test_ranges(store: tuple[str, Put], monkeypatch: pytest.MonkeyPatch) -> None:
    scheme, put = store
    put("ranges/model.onnx", MODEL)
    monkeypatch.setattr("servestack_server.fetch.sources.object_store._BLOCK_BYTES", 300_000)
    source = ObjectStoreSource(f"{scheme}://models/ranges/model.onnx")
    (remote,) = source.list_files().files
    with source.open(remote, 0, "") as whole:
        assert [len(block) for block in whole.chunks] == [300_000, 300_000, 300_000, 148_576]
    with source.open(remote, 1000, whole.validator) as rest:
        assert (rest.start, b"".join(rest.chunks)) == (1000, MODEL[1000:])
    with source.open(remote, 1000, "of another") as again:
        assert again.start == 0


def test_nothing_there(store: tuple[str, Put], run: Fetch) -> None:
    scheme, _ = store
    with pytest.raises(StartError, match=f"{scheme}://models/none: is not there"):
        run(Pin("m", f"{scheme}://models/none"))


def test_no_such_bucket(store: tuple[str, Put], run: Fetch) -> None:
    scheme, _ = store
    with pytest.raises(StartError, match=f"{scheme}://nobodys/iris: there is no bucket nobodys"):
        run(Pin("m", f"{scheme}://nobodys/iris"))


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (403, "AccessDenied", "access is refused: "),
        (403, "InvalidAccessKeyId", "access is refused: "),
        (403, "SignatureDoesNotMatch", "access is refused: "),
        (400, "ExpiredToken", "access is refused: "),
        (503, "SlowDown", "4 times in a row"),
    ],
)
def test_what_amazon_answers_when_it_refuses(
    run: Fetch, s3: Put, monkeypatch: pytest.MonkeyPatch, status: int, code: str, words: str
) -> None:
    """moto lets everybody in and never throttles."""
    with serving() as refusing:
        refusing.everything = (status, f"<Error><Code>{code}</Code><Message>m</Message></Error>")
        monkeypatch.setenv("AWS_ENDPOINT_URL", refusing.url)
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        monkeypatch.setattr("s3fs.S3FileSystem.retries", 1)  # Its waits are seconds.
        with pytest.raises(StartError, match=words):
            run(Pin("m", "s3://models/iris"))


def test_names_that_lead_elsewhere(s3: Put, run: Fetch, tmp_path: Path) -> None:
    s3("evil/a//b", b"bad")
    with pytest.raises(StartError, match="has an empty part"):
        run(Pin("m", "s3://models/evil"))
    assert not (tmp_path / "models/m").exists()


def test_without_credentials(s3: Put, run: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(StartError, match="no access: Unable to locate credentials"):
        run(Pin("m", "s3://models/iris"))


def test_nobody_there(run: Fetch, s3: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(StartError, match=r"Could not connect.*4 times in a row"):
        run(Pin("m", "s3://models/iris"))


@pytest.mark.parametrize("uri", ["s3://models", "s3://models/", "s3://id:key@models/iris"])
def test_addresses_without_a_path_or_with_credentials(run: Fetch, uri: str) -> None:
    with pytest.raises(StartError, match="needs a bucket and a path") as error:
        run(Pin("m", uri))
    assert "key" not in str(error.value)


def test_without_the_package(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['s3fs'] = None\n"
        "from pathlib import Path; from servestack_contract.artifact import Pin\n"
        "from servestack_server.errors import StartError\n"
        "from servestack_server.fetch.fetch import fetch\n"
        "try: fetch([Pin('m', 's3://b/m')], Path(sys.argv[1]), say=print)\n"
        "except StartError as error: print(error)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "models")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "s3://b/m: needs the package s3fs" in said
    assert "run `pip install 'servestack[s3]'` on a workstation" in said


@pytest.fixture
def seen(s3: Put, s3_server: str) -> Iterator[list[tuple[str, str, str]]]:
    """(host, path, authorization) of the requests to the server, from now on."""
    from moto.moto_server import werkzeug_app

    found: list[tuple[str, str, str]] = []
    original = werkzeug_app.DomainDispatcherApplication.__call__

    def noting(application: Any, environ: dict[str, str], start: Any) -> Any:
        authorization = environ.get("HTTP_AUTHORIZATION", "")
        found.append((environ["HTTP_HOST"], environ["PATH_INFO"], authorization))
        return original(application, environ, start)

    s3("styled/model.onnx", MODEL)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(werkzeug_app.DomainDispatcherApplication, "__call__", noting)
        yield found


def test_an_endpoint_of_its_own_is_asked_by_path(
    seen: list[tuple[str, str, str]], s3_server: str, run: Fetch
) -> None:
    """As MinIO and Ceph need it, whose certificates do not cover a host for each bucket."""
    run(Pin("m", "s3://models/styled/model.onnx"))
    host = s3_server.partition("://")[2]
    assert {host for host, _, _ in seen} == {host}
    assert all(path.startswith("/models") for _, path, _ in seen)


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL_S3", "MLFLOW_S3_ENDPOINT_URL"])
def test_other_names_of_the_endpoint(
    s3: Put, s3_server: str, run: Fetch, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    s3("named/model.onnx", MODEL)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv(variable, s3_server)
    run(Pin("m", "s3://models/named/model.onnx"))


@pytest.mark.parametrize(
    ("default", "region", "used"),
    [(None, "eu-west-3", "eu-west-3"), ("us-east-1", "eu-west-3", "us-east-1")],
)
def test_the_region(
    seen: list[tuple[str, str, str]], run: Fetch, monkeypatch: pytest.MonkeyPatch,
    default: str | None, region: str, used: str,
) -> None:  # fmt: skip
    """EKS sets AWS_REGION, which botocore does not read."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    if default is not None:
        monkeypatch.setenv("AWS_DEFAULT_REGION", default)
    monkeypatch.setenv("AWS_REGION", region)
    run(Pin("m", "s3://models/styled/model.onnx"))
    assert all(f"/{used}/s3/aws4_request" in authorization for _, _, authorization in seen)
    assert seen


def test_the_virtual_style_if_it_is_asked_for(
    seen: list[tuple[str, str, str]], s3_server: str, run: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolve_localhost)
    port = s3_server.rpartition(":")[2]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://s3.localhost:{port}")
    monkeypatch.setenv("MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE", "virtual")
    run(Pin("m", "s3://models/styled/model.onnx", hashlib.sha256(MODEL).hexdigest()))
    assert {host for host, _, _ in seen} == {f"models.s3.localhost:{port}"}
