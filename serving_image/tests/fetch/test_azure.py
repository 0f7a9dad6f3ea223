"""Artifacts in Azure Blob Storage and Data Lake, as Azurite speaks it."""

from __future__ import annotations

import hashlib
import random
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from serving_image.tests.support.fetching import Fetch
from tests.support.azurite import ACCOUNT, CONTAINER, Azurite, resolve_localhost, running_azurite

from servestack_contract.artifact import Pin
from servestack_server.errors import StartError
from servestack_server.fetch.digest import digest_of
from servestack_server.fetch.sources import azure
from servestack_server.fetch.sources.azure import AzureSource
from servestack_server.fetch.sources.source import PassingError

from .range_server import serving
from .test_digest import write

MODEL = random.Random(4).randbytes(1 << 20)
TREE = {"MLmodel": b"flavors: {}", "data": {"model.json": MODEL, "small # 1?": b"1", "none": b""}}


@pytest.fixture(scope="module")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with running_azurite(tmp_path_factory.mktemp("azurite")) as server:
        for name, body in {
            "iris/MLmodel": b"flavors: {}", "iris/data/model.json": MODEL,
            "iris/data/small # 1?": b"1", "iris/data/none": b"", "iris-other/MLmodel": b"another",
            "bare/model.onnx": MODEL,
        }.items():  # fmt: skip
            server.put(name, body)
        # What a hierarchical namespace lists for a folder.
        server.put("iris/data", b"", metadata={"hdi_isfolder": "true"})
        server.put("iris", b"", metadata={"hdi_isfolder": "true"})
        server.put("empty", b"", metadata={"hdi_isfolder": "true"})
        yield server


@pytest.fixture
def connected(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> Azurite:
    """The server, named by a connection string."""
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", azurite.connection_string)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(azurite.ca))
    return azurite


@pytest.fixture
def reachable(azurite: Azurite, monkeypatch: pytest.MonkeyPatch) -> str:
    """The account's own host, as an address names it; nothing gives access yet."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(azurite.ca))
    monkeypatch.setattr(socket, "getaddrinfo", resolve_localhost)
    return azurite.host


@pytest.mark.parametrize(
    "address",
    [
        f"abfss://{CONTAINER}@{ACCOUNT}.dfs.core.windows.net/iris",
        f"wasbs://{CONTAINER}@{ACCOUNT}.blob.core.windows.net/iris/",
        f"az://{CONTAINER}/iris",
        f"abfs://{CONTAINER}/iris",
    ],
)
def test_a_folder(connected: Azurite, run: Fetch, tmp_path: Path, address: str) -> None:
    write(TREE, tmp_path / "model")
    digest = digest_of(tmp_path / "model")
    assert run(Pin("iris", address, digest))[-1].endswith("verified")
    assert digest_of(tmp_path / "models/iris") == digest
    assert len(run(Pin("iris", address, digest))) == 1


def test_one_blob(connected: Azurite, run: Fetch, tmp_path: Path) -> None:
    digest = hashlib.sha256(MODEL).hexdigest()
    run(Pin("m", f"az://{CONTAINER}/bare/model.onnx", digest))
    assert (tmp_path / "models/m/model.onnx").read_bytes() == MODEL


def test_another_digest_leaves_nothing(connected: Azurite, run: Fetch, tmp_path: Path) -> None:
    with pytest.raises(StartError, match="has changed since it was locked"):
        run(Pin("m", f"az://{CONTAINER}/bare/model.onnx", "0" * 64))
    assert not (tmp_path / "models/m").exists()


def test_it_goes_on_at_a_byte(connected: Azurite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(azure, "_BLOCK_BYTES", 300_000)
    source = AzureSource(f"az://{CONTAINER}/bare/model.onnx")
    (remote,) = source.list_files().files
    with source.open(remote, 0, "") as whole:
        assert b"".join(whole.chunks) == MODEL
    with source.open(remote, 1000, whole.validator) as rest:
        assert (rest.start, b"".join(rest.chunks)) == (1000, MODEL[1000:])
    with source.open(remote, 1000, "of another") as again:
        assert again.start == 0


def test_a_blob_that_changes_meanwhile_is_not_mixed(connected: Azurite) -> None:
    connected.put("moving/model.onnx", b"old")
    source = AzureSource(f"az://{CONTAINER}/moving/model.onnx")
    (remote,) = source.list_files().files
    connected.put("moving/model.onnx", b"new")
    with source.open(remote, 0, "") as stream, pytest.raises(PassingError, match="it changed"):
        list(stream.chunks)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (f"az://{CONTAINER}/none", f"az://{CONTAINER}/none: is not there: answered 404"),
        ("az://other/iris", "az://other/iris: there is no container other: answered 404"),
        (
            f"wasbs://other@{ACCOUNT}.blob.core.windows.net/iris",
            f"there is no container other of the account {ACCOUNT}: answered 404",
        ),
        (f"az://{CONTAINER}/empty", "holds no files"),
        (
            f"abfss://{CONTAINER}@another.dfs.core.windows.net/iris",
            f"is in the account another, and AZURE_STORAGE_CONNECTION_STRING is that of {ACCOUNT}",
        ),
    ],
)
def test_what_is_not_there(connected: Azurite, run: Fetch, address: str, words: str) -> None:
    with pytest.raises(StartError) as caught:
        run(Pin("m", address))
    assert words in str(caught.value)


def test_names_that_lead_elsewhere(connected: Azurite, run: Fetch, tmp_path: Path) -> None:
    connected.put("evil/a//b", b"bad")
    with pytest.raises(StartError, match="has an empty part"):
        run(Pin("m", f"az://{CONTAINER}/evil"))
    assert not (tmp_path / "models/m").exists()


@pytest.mark.parametrize("name", azure._KEY)
def test_an_account_key(
    azurite: Azurite, reachable: str, run: Fetch, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """By the names of fsspec, MLflow and Azure's command line, with a line break at the end."""
    monkeypatch.setenv(name, f"{azurite.key}\n")
    run(Pin("m", f"abfss://{CONTAINER}@{reachable}/bare/model.onnx"))


def test_a_sas_token(
    azurite: Azurite, reachable: str, run: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    from azure.storage.blob import ContainerSasPermissions, generate_container_sas

    token = generate_container_sas(
        ACCOUNT, CONTAINER, account_key=azurite.key,
        permission=ContainerSasPermissions(read=True, list=True),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )  # fmt: skip
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", f"?{token}")
    run(Pin("m", f"wasbs://{CONTAINER}@{reachable}/bare/model.onnx"))
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", token.replace("sig=", "sig=A"))
    with pytest.raises(StartError, match="access is refused: answered 403") as error:
        run(Pin("other", f"wasbs://{CONTAINER}@{reachable}/bare/model.onnx"))
    assert "sig=" not in str(error.value)


def test_the_pods_identity(
    azurite: Azurite, reachable: str, run: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Azurite takes tokens of Microsoft Entra; who issues them here stands in for it."""
    from azure.core.credentials import AccessToken

    class Identity:
        def get_token(self, *scopes: str, **options: Any) -> AccessToken:
            assert scopes == ("https://storage.azure.com/.default",)
            return AccessToken(azurite.token(), int(time.time()) + 3600)

    monkeypatch.setattr("azure.identity.DefaultAzureCredential", Identity)
    run(Pin("m", f"abfss://{CONTAINER}@{reachable}/bare/model.onnx"))


def test_no_identity(reachable: str, run: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    with pytest.raises(StartError, match="no access: ") as error:
        run(Pin("m", f"abfss://{CONTAINER}@{reachable}/iris"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("key", "words"),
    [("d3Jvbmc=", "access is refused: answered "), ("hunter", "no access: ")],
)
def test_a_wrong_key(
    reachable: str, run: Fetch, monkeypatch: pytest.MonkeyPatch, key: str, words: str
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", key)
    with pytest.raises(StartError, match=words) as error:
        run(Pin("m", f"abfss://{CONTAINER}@{reachable}/iris"))
    assert key not in str(error.value)
    assert "Storage Blob Data Reader" in error.value.hint


def test_anonymous_where_the_container_is_private(
    reachable: str, run: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ANON", "true")
    with pytest.raises(StartError, match=r"access is refused|there is no container"):
        run(Pin("m", f"abfss://{CONTAINER}@{reachable}/iris"))


def test_a_certificate_that_is_not_trusted(
    reachable: str, run: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "d3Jvbmc=")
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(StartError, match="certificate is not trusted") as error:
        run(Pin("m", f"abfss://{CONTAINER}@{reachable}/iris"))
    assert "REQUESTS_CA_BUNDLE" in error.value.hint


def test_a_short_address_needs_an_account(run: Fetch) -> None:
    with pytest.raises(StartError, match="names no account") as error:
        run(Pin("m", "az://models/iris"))
    assert "set AZURE_STORAGE_ACCOUNT_NAME" in error.value.hint


def test_a_broken_connection_string(run: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", "AccountKey=hunter2")
    with pytest.raises(StartError, match="is not a connection string") as error:
        run(Pin("m", "az://models/iris"))
    assert "hunter2" not in str(error.value)


def test_nobody_there(azurite: Azurite, run: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    text = azurite.connection_string.replace(f":{azurite.port}/", ":1/")
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
    with pytest.raises(StartError, match="the connection is refused, 4 times in a row"):
        run(Pin("m", "az://models/iris"))


def test_a_throttled_account_is_asked_again(
    azurite: Azurite, run: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No emulator throttles, so this server only says what Azure says then."""
    with serving() as busy:
        busy.faults, busy.retry_after = [503, 429, 503, 503], "0"
        text = f"AccountName={ACCOUNT};AccountKey={azurite.key};BlobEndpoint={busy.url}/{ACCOUNT};"
        monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", text)
        with pytest.raises(StartError, match="answered 503, 4 times in a row"):
            run(Pin("m", "az://models/iris"))
        assert len(busy.requests) == 4
