"""The keys of a cluster: two authorities, what they sign, and a token for each component.

Each cluster makes its own, in its own folder; they are worth nothing once it has gone.
"""

from __future__ import annotations

import csv
import datetime
import ipaddress
import secrets
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import NameOID

from tools.cluster.state import NODE_IP, replace_file

_VALID_DAYS = 365
_SERVICE_IPS = ("127.0.0.1", NODE_IP, "10.96.0.1")
_API_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")

_SIGNS_CERTIFICATES = x509.KeyUsage(
    key_cert_sign=True,
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


@dataclass(frozen=True)
class _Authority:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def write_certificates(folder: Path) -> None:
    """ca, front-proxy-ca, and apiserver, kubelet, metrics-server, the API server's two as a client:
    each as NAME.crt and NAME.key; and service-accounts.key."""
    folder.mkdir(exist_ok=True)
    cluster, front_proxy = _make_authority(folder, "ca"), _make_authority(folder, "front-proxy-ca")
    _issue(folder, cluster, "apiserver", "kube-apiserver", names=_API_NAMES)
    _issue(folder, cluster, "kubelet", "kubelet")
    metrics = ("metrics-server.kube-system.svc",)
    _issue(folder, cluster, "metrics-server", "metrics-server", names=metrics)
    _issue(folder, cluster, "kubelet-client", "kube-apiserver", group="system:masters")
    _issue(folder, front_proxy, "front-proxy-client", "front-proxy-client")
    _write_key(folder / "service-accounts.key", rsa.generate_private_key(65537, 2048))


def write_tokens(file: Path, users: dict[str, tuple[str, str]]) -> dict[str, str]:
    """A random token for each component, given its user and group, and the API server's list."""
    tokens = {component: secrets.token_hex(16) for component in users}
    with file.open("w", newline="") as stream:
        for component, (user, group) in users.items():
            csv.writer(stream).writerow([tokens[component], user, user, group])
    file.chmod(0o600)
    return tokens


def write_kubeconfig(file: Path, context: str, server: str, authority: Path, token: str) -> None:
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "clusters": [
            {
                "name": context,
                "cluster": {"server": server, "certificate-authority": str(authority)},
            }
        ],
        "users": [{"name": context, "user": {"token": token}}],
        "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
    }
    replace_file(file, yaml.safe_dump(content))


def _make_authority(folder: Path, name: str) -> _Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(name, "")
    builder = (
        _builder(subject, subject, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_SIGNS_CERTIFICATES, critical=True)
    )
    certificate = _with_key_ids(builder, key, key).sign(key, hashes.SHA256())
    _write(folder, name, certificate, key)
    return _Authority(certificate, key)


def _issue(
    folder: Path,
    authority: _Authority,
    name: str,
    user: str,
    *,
    group: str = "",
    names: tuple[str, ...] = (),
) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    alternatives: list[x509.GeneralName] = [x509.DNSName(other) for other in names]
    alternatives += [x509.IPAddress(ipaddress.ip_address(ip)) for ip in _SERVICE_IPS]
    builder = _builder(_subject(user, group), authority.certificate.subject, key).add_extension(
        x509.SubjectAlternativeName(alternatives), critical=False
    )
    certificate = _with_key_ids(builder, key, authority.key).sign(authority.key, hashes.SHA256())
    _write(folder, name, certificate, key)


def _subject(user: str, group: str) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, user)]
    if group:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
    return x509.Name(attributes)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=_VALID_DAYS))
    )


def _with_key_ids(
    builder: x509.CertificateBuilder,
    key: ec.EllipticCurvePrivateKey,
    issuer: ec.EllipticCurvePrivateKey,
) -> x509.CertificateBuilder:
    """RFC 5280, 4.2.1: strict clients (Python from 3.13) refuse a certificate without these."""
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key())
    return builder.add_extension(own, critical=False).add_extension(signer, critical=False)


def _write(
    folder: Path, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> None:
    text = certificate.public_bytes(serialization.Encoding.PEM).decode()
    replace_file(folder / f"{name}.crt", text)
    _write_key(folder / f"{name}.key", key)


def _write_key(file: Path, key: CertificateIssuerPrivateKeyTypes) -> None:
    content = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    replace_file(file, content.decode())
