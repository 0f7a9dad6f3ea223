"""Azurite, Azure's own emulator of Blob Storage, as a process that speaks https."""

from __future__ import annotations

import base64
import json
import os
import secrets
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme

from tests.support.ports import free_ports
from tests.support.tools import installed

ACCOUNT = "growth"
CONTAINER = "models"
_READY_SECONDS = 60


@dataclass(frozen=True)
class Azurite:
    """A running server with one account and one container; `ca` is its certificate's authority."""

    port: int
    key: str
    ca: Path

    @property
    def connection_string(self) -> str:
        """What names the server, the account and its key."""
        return (
            f"DefaultEndpointsProtocol=https;AccountName={ACCOUNT};AccountKey={self.key};"
            f"BlobEndpoint=https://127.0.0.1:{self.port}/{ACCOUNT};"
        )

    @property
    def host(self) -> str:
        """The account's own host, as addresses of Azure have it."""
        return f"{ACCOUNT}.blob.localhost:{self.port}"

    @staticmethod
    def token() -> str:
        """A token as Microsoft Entra issues it. Azurite reads its claims and no signature."""
        now = int(time.time())
        issuer = "https://sts.windows.net/00000000-0000-0000-0000-000000000000/"
        claims = {"aud": "https://storage.azure.com", "iss": issuer, "iat": now - 60}
        claims |= {"nbf": now - 60, "exp": now + 3600}
        parts = ({"alg": "HS256", "typ": "JWT"}, claims)
        encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()) for part in parts]
        return b".".join([*(part.rstrip(b"=") for part in encoded), b"c2ln"]).decode()

    def service(self) -> Any:
        """Azure's client, with all rights."""
        from azure.storage.blob import BlobServiceClient

        return BlobServiceClient.from_connection_string(
            self.connection_string, connection_verify=str(self.ca)
        )

    def put(self, name: str, body: bytes, **options: Any) -> None:
        """Write a blob."""
        container = self.service().get_container_client(CONTAINER)
        container.upload_blob(name, body, overwrite=True, **options)


@contextmanager
def running_azurite(folder: Path) -> Iterator[Azurite]:
    """Start one that keeps its blobs in memory; ended by its own handle."""
    program = installed("azurite-blob")
    (port,) = free_ports(1)
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", f"{ACCOUNT}.blob.localhost")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "server.pem")
    certificate.private_key_pem.write_to_path(folder / "server.key")
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    command = [
        "setpriv", "--pdeathsig", "KILL",
        str(program), "--blobHost=127.0.0.1", f"--blobPort={port}", "--inMemoryPersistence",
        # The client is newer than the emulator, which refuses versions that it does not know.
        "--skipApiVersionCheck", "--disableTelemetry", "--silent", "--oauth=basic",
        f"--cert={folder / 'server.pem'}", f"--key={folder / 'server.key'}",
    ]  # fmt: skip
    environment = os.environ | {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"}
    with (folder / "azurite.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=folder)
    try:
        azurite = Azurite(port, key, folder / "ca.pem")
        _wait_until_ready(azurite, process, folder / "azurite.log")
        azurite.service().create_container(CONTAINER)
        yield azurite
    finally:
        process.terminate()
        try:
            process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(azurite: Azurite, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    context = ssl.create_default_context(cafile=str(azurite.ca))
    while time.monotonic() < deadline and process.poll() is None:
        try:
            url = f"https://127.0.0.1:{azurite.port}/{ACCOUNT}"
            urllib.request.urlopen(url, timeout=2, context=context).close()
        except urllib.error.HTTPError:
            return  # It refuses who does not sign in.
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"Azurite did not start:\n{log.read_text(errors='replace')[-3000:]}")


def resolve_localhost(name: str, *rest: Any) -> Any:
    """A socket.getaddrinfo that knows every name below localhost, as RFC 6761 (6.3) asks."""
    known = "127.0.0.1" if str(name).endswith(".localhost") else name
    return _getaddrinfo(known, *rest)


_getaddrinfo = socket.getaddrinfo
