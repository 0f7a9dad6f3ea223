"""What an image must not hold: places to write to, and anything of the machine that built it."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import pytest

from tests.images.container import Container

EVERYBODYS = {"/tmp", "/var/tmp", "/run/lock"}
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


@pytest.fixture(params=["serving", "filebeat"])
def image(request: pytest.FixtureRequest) -> Container:
    found = request.getfixturevalue(f"{request.param}_container")
    assert isinstance(found, Container)
    return found


@pytest.mark.parametrize(
    ("name", "own"),
    [("serving", {"/models", "/opt/models", "/var/log/servestack"}), ("filebeat", set())],
)
def test_only_the_named_folders_can_be_written_to(
    request: pytest.FixtureRequest, name: str, own: set[str]
) -> None:
    image: Container = request.getfixturevalue(f"{name}_container")
    writable = ("-writable", "!", "-type", "l", "!", "-path", "/tmp/*")
    found = image.run("find", "/", "-xdev", *writable)
    assert own <= set(found.stdout.split()) <= own | EVERYBODYS


def test_nothing_tells_of_the_machine(image: Container) -> None:
    """No settings of pip or apt, no names, no temporary files; mount points may stay, empty."""
    found: dict[str, int] = {}
    for layer in image.layers():
        for member in layer:
            path = PurePosixPath("/", member.name)
            if member.isfile() and member.size:
                found[str(path)] = member.size
    personal = re.compile(
        r"/etc/(pip\.conf|hostname|hosts|resolv\.conf|machine-id|apt/auth.*)"
        r"|/(root|home|mnt|tmp|var/tmp|run)/.*|.*/pip\.conf|.*/\.netrc"
    )
    told = [PurePosixPath(path) for path in found if personal.fullmatch(path)]
    assert [path for path in told if path.name not in {".bashrc", ".profile"}] == []
    names = [variable.partition("=")[0] for variable in image.config()["Env"]]
    assert [name for name in names if re.search("PIP|PROXY|CERT|BUNDLE", name.upper())] == []


def test_apt_has_no_proxy_and_asks_debian_alone(image: Container) -> None:
    settings = image.run("apt-config", "dump").stdout
    assert "APT::Architecture" in settings
    assert "proxy" not in settings.lower().replace("proxy-auto-detect", "")
    sources = image.run("sh", "-c", "cat /etc/apt/sources.list /etc/apt/sources.list.d/*").stdout
    assert set(re.findall(r"https?://([^/\s]+)", sources)) == {"deb.debian.org"}


def test_certificates_are_debians_own(image: Container) -> None:
    trusted = b""
    packaged = b""
    for layer in image.layers():
        for member in layer:
            stream = layer.extractfile(member) if member.isfile() else None
            if stream is not None and member.name.endswith("etc/ssl/certs/ca-certificates.crt"):
                trusted = stream.read()
            elif stream is not None and "usr/share/ca-certificates/mozilla/" in member.name:
                packaged += stream.read()
    assert len(_CERTIFICATE.findall(trusted)) > 100
    assert set(_CERTIFICATE.findall(trusted)) <= set(_CERTIFICATE.findall(packaged))
