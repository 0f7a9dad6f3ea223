"""Files, folders and archives of this machine; addresses that are refused; what stays behind."""

from __future__ import annotations

import hashlib
import os
import random
from pathlib import Path

import pytest
from serving_image.tests.support.fetching import Fetch

from servestack_contract.artifact import Pin
from servestack_server.errors import StartError
from servestack_server.fetch.digest import digest_of

from .test_archive import MODEL, WRITERS, read, write_zip
from .test_digest import write

TREE = {"MLmodel": b"flavors: {}", "data": {"model.json": b"{}"}}


@pytest.mark.parametrize("form", ["{}", "file:{}", "file://{}", "file://localhost{}"])
def test_a_folder(run: Fetch, tmp_path: Path, form: str) -> None:
    write(TREE, tmp_path / "iris ä")
    digest = digest_of(tmp_path / "iris ä")
    run(
        Pin(
            "iris",
            form.format(tmp_path / "iris ä").replace("ä", "%C3%A4" if "file" in form else "ä"),
            digest,
        )
    )
    assert digest_of(tmp_path / "models/iris") == digest


def test_a_relative_file(run: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"model")
    run(Pin("iris", "file:model.onnx", hashlib.sha256(b"model").hexdigest()))
    assert read(tmp_path / "models/iris") == {"model.onnx": b"model"}


@pytest.mark.parametrize(("name", "writer"), WRITERS)
def test_an_archive_is_verified_as_it_is_and_unpacked(
    run: Fetch, tmp_path: Path, name: str, writer: object
) -> None:
    assert callable(writer)
    archive = writer(tmp_path / name, MODEL)
    pin = Pin("iris", str(archive), digest_of(archive))
    run(pin)
    assert read(tmp_path / "models/iris") == dict(MODEL)
    assert run(pin) == [f"iris: is already there, sha256 {pin.sha256} verified"]
    (tmp_path / "models/iris/MLmodel").write_bytes(b"changed")
    run(pin)
    assert read(tmp_path / "models/iris") == dict(MODEL)


def test_an_archive_that_is_refused_leaves_nothing(run: Fetch, tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "m.zip", [*MODEL, ("../out", b"bad")])
    with pytest.raises(StartError, match="leads out of the folder"):
        run(Pin("iris", str(archive), digest_of(archive)))
    assert {path.name for path in (tmp_path / "models").iterdir()} == {".lock"}


def test_an_archive_is_not_opened_before_it_is_verified(run: Fetch, tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "m.zip", [("../out", b"bad")])
    with pytest.raises(StartError, match="is locked"):
        run(Pin("iris", str(archive), "0" * 64))


def test_a_file_that_does_not_count_is_not_taken(run: Fetch, tmp_path: Path) -> None:
    write(TREE, tmp_path / "iris")
    digest = digest_of(tmp_path / "iris")
    (tmp_path / "iris/registered_model_meta").write_bytes(b"not verified")
    run(Pin("iris", str(tmp_path / "iris"), digest))
    assert not (tmp_path / "models/iris/registered_model_meta").exists()


def test_links_are_refused(run: Fetch, tmp_path: Path) -> None:
    write(TREE, tmp_path / "iris")
    (tmp_path / "iris/link").symlink_to("/etc/passwd")
    with pytest.raises(StartError, match="link is a link"):
        run(Pin("iris", str(tmp_path / "iris")))


def test_a_link_in_the_place_of_the_model_is_not_followed(run: Fetch, tmp_path: Path) -> None:
    write(TREE, tmp_path / "iris")
    write(TREE, tmp_path / "elsewhere")
    (tmp_path / "models").mkdir()
    (tmp_path / "models/iris").symlink_to(tmp_path / "elsewhere")
    run(Pin("iris", str(tmp_path / "iris"), digest_of(tmp_path / "iris")))
    assert not (tmp_path / "models/iris").is_symlink()
    assert (tmp_path / "elsewhere/MLmodel").exists()


def test_what_a_kill_between_two_renames_leaves_goes(run: Fetch, tmp_path: Path) -> None:
    write(TREE, tmp_path / "iris")
    pin = Pin("iris", str(tmp_path / "iris"), digest_of(tmp_path / "iris"))
    run(pin)
    (tmp_path / "models/iris").rename(tmp_path / "models/.replaced-iris")
    run(pin)
    assert digest_of(tmp_path / "models/iris") == pin.sha256
    (tmp_path / "models/.replaced-iris").mkdir()
    run(pin)
    assert not (tmp_path / "models/.replaced-iris").exists()


def test_partials_of_older_pins_go(run: Fetch, tmp_path: Path) -> None:
    write(TREE, tmp_path / "iris")
    for name in ("iris-0123456789ab", "iris-b-0123456789ab"):
        (tmp_path / f"models/.partial-{name}/data").mkdir(parents=True)
    run(Pin("iris", str(tmp_path / "iris")))
    left = [path.name for path in (tmp_path / "models").glob(".partial*")]
    assert left == [".partial-iris-b-0123456789ab"]


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("http://localhost/m.onnx", "plain http can be changed in transit"),
        ("models:/iris@production", "can stand for another artifact later"),
        ("ftp://user:hunter2@host/m", "not fetched from ftp:"),
        ("file://host/m", "names another machine"),
        ("https://[::1/m", "is not an address"),
        ("file:/a%00b", "is not a path"),
        ("/nowhere/m", "there is no such file"),
    ],
)
def test_addresses_that_are_refused(run: Fetch, uri: str, words: str) -> None:
    with pytest.raises(StartError, match=words) as error:
        run(Pin("iris", uri))
    assert "hunter" not in str(error.value)


def test_a_folder_that_cannot_be_written_to(run: Fetch, tmp_path: Path) -> None:
    (tmp_path / "models").write_bytes(b"a file")
    write(TREE, tmp_path / "iris")
    with pytest.raises(StartError, match="models: File exists"):
        run(Pin("iris", str(tmp_path / "iris")))


def test_an_empty_folder_and_a_name_twice(run: Fetch, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(StartError, match="holds no files"):
        run(Pin("iris", str(tmp_path / "empty")))
    with pytest.raises(StartError, match="two artifacts are called iris"):
        run(Pin("iris", "/a"), Pin("iris", "/b"))


def test_a_full_disk_is_told_and_goes_on_when_there_is_room(run: Fetch, tmp_path: Path) -> None:
    import subprocess

    if os.geteuid() != 0:
        pytest.skip("a small disk is mounted, which needs root")
    disk = tmp_path / "models"
    disk.mkdir()
    body = random.Random(4).randbytes(3 << 20)
    archive = write_zip(tmp_path / "m.zip", [("model.bin", body), ("zeros", bytes(9 << 20))])
    (tmp_path / "model.bin").write_bytes(bytes(9 << 20))
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        with pytest.raises(StartError, match="needs 9,437,184 more bytes, but only"):
            run(Pin("bare", str(tmp_path / "model.bin")))
        pin = Pin("iris", str(archive), digest_of(archive))
        with pytest.raises(StartError, match="the disk is full") as error:
            run(pin)
        assert "storage" in error.value.hint
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        run(pin)
        assert (disk / "iris/model.bin").read_bytes() == body
    finally:
        subprocess.run(["umount", str(disk)], check=True)
