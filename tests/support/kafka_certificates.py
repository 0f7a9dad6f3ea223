"""Certificates of a Kafka in tests, in the forms that Kafka and a Secret want."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography.hazmat.primitives import serialization


def broker_pem(authority: trustme.CA, host: str, expires: datetime | None = None) -> bytes:
    """Key and certificate for `host`, with the key in PKCS#8, the one form that Kafka reads."""
    begins = (expires or datetime.now(UTC)) - timedelta(days=1)
    issued = authority.issue_cert(host, not_before=begins, not_after=expires)
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return key + b"".join(blob.bytes() for blob in issued.cert_chain_pems)


def client_folder(authority: trustme.CA, folder: Path, user: str) -> Path:
    """`folder` with tls.crt and tls.key of a client whose certificate names the user."""
    folder.mkdir(0o700, exist_ok=True)
    issued = authority.issue_cert(f"{user}.example.com", common_name=user)
    issued.private_key_pem.write_to_path(folder / "tls.key")
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    (folder / "tls.crt").write_bytes(chain)
    return folder
