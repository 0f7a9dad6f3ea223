"""Archives that are as they should be, and those that are not."""

from __future__ import annotations

import io
import random
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servestack_server.errors import StartError
from servestack_server.fetch.archive import Bounds, unpack

Members = list[tuple[str, bytes]]
MODEL: Members = [("MLmodel", b"flavors: {}"), ("data/model.json", b"{}"), ("empty", b"")]


def write_zip(file: Path, members: Members) -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members:
            info = zipfile.ZipInfo("name", date_time=(2025, 1, 1, 0, 0, 0))
            # Not as an argument: there it would be cut at a NUL.
            info.filename, info.compress_type = name, zipfile.ZIP_DEFLATED
            archive.writestr(info, body)
    return file


def write_tar(file: Path, members: Members) -> Path:
    with tarfile.open(file, "w" if file.name.endswith(".tar") else "w:gz") as archive:
        for name, body in members:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(body), 0o4777
            archive.addfile(info, io.BytesIO(body))
    return file


WRITERS: list[tuple[str, Callable[[Path, Members], Path]]] = [
    ("m.zip", write_zip), ("m.tar", write_tar), ("m.tar.gz", write_tar), ("M.TGZ", write_tar),
]  # fmt: skip
KINDS = pytest.mark.parametrize(("name", "writer"), WRITERS, ids=[name for name, _ in WRITERS])


def read(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


@KINDS
@pytest.mark.parametrize("prefix", ["", "./", "iris/", "./iris/"])
def test_members_become_files_with_plain_modes(
    tmp_path: Path, name: str, writer: Callable[[Path, Members], Path], prefix: str
) -> None:
    archive = writer(tmp_path / name, [(prefix + path, body) for path, body in MODEL])
    folder = unpack(archive, tmp_path / "out")
    assert read(folder) == dict(MODEL)
    for path in folder.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o755 if path.is_dir() else 0o644)


@KINDS
@pytest.mark.parametrize(
    "bad",
    ["../out", "/etc/out", "a/../../out", "..", "a\\..\\out", "C:\\out", "c:out", "a//b", "a/./b",
     "a\nb", "//out", ".//out", "././../out"],
)  # fmt: skip
def test_names_that_lead_elsewhere(
    tmp_path: Path, name: str, writer: Callable[[Path, Members], Path], bad: str
) -> None:
    archive = writer(tmp_path / name, [*MODEL, (bad, b"bad")])
    with pytest.raises(StartError, match="use relative paths in an artifact"):
        unpack(archive, tmp_path / "out")
    assert not any(b"bad" in body for body in read(tmp_path / "out").values())


def test_a_nul_in_a_name(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "m.zip", [*MODEL, ("evil\0name", b"bad")])
    with pytest.raises(StartError, match="holds a NUL"):
        unpack(archive, tmp_path / "out")


@KINDS
@pytest.mark.parametrize("second", ["MLmodel", "MLmodel/below", "data", "./MLmodel"])
def test_a_name_twice(
    tmp_path: Path, name: str, writer: Callable[[Path, Members], Path], second: str
) -> None:
    with pytest.warns() if (name, second) == ("m.zip", "MLmodel") else nullcontext():
        archive = writer(tmp_path / name, [*MODEL, (second, b"other")])
    with pytest.raises(StartError, match="holds a name twice"):
        unpack(archive, tmp_path / "out")


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
@pytest.mark.parametrize("target", ["/etc/passwd", "MLmodel"])
def test_links_and_devices_in_a_tar(tmp_path: Path, kind: bytes, target: str) -> None:
    with tarfile.open(tmp_path / "m.tar", "w") as archive:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = kind, target
        archive.addfile(info)
    with pytest.raises(StartError, match="a link, device"):
        unpack(tmp_path / "m.tar", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_in_a_zip(tmp_path: Path, kind: int) -> None:
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
        info = zipfile.ZipInfo("link")
        info.external_attr = (kind | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(StartError, match="a link or device"):
        unpack(tmp_path / "m.zip", tmp_path / "out")


@KINDS
def test_archives_that_grow_too_much(
    tmp_path: Path, name: str, writer: Callable[[Path, Members], Path]
) -> None:
    archive = writer(tmp_path / name, [("zeros", bytes(3 << 20))])
    strict = Bounds(max_ratio=2, ratio_from_bytes=1 << 20, max_bytes=2 << 20)
    with pytest.raises(StartError, match="becomes too large"):
        unpack(archive, tmp_path / "out", strict)
    written = sum(len(body) for body in read(tmp_path / "out").values())
    assert written <= 2 << 20
    unpack(archive, tmp_path / "again", Bounds())


def test_the_bounds_of_every_archive(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "m.zip", [(f"{i}", bytes(9 << 20)) for i in range(8)])
    with pytest.raises(StartError, match="becomes too large"):
        unpack(archive, tmp_path / "out")


@KINDS
def test_too_many_members(
    tmp_path: Path, name: str, writer: Callable[[Path, Members], Path]
) -> None:
    archive = writer(tmp_path / name, [(f"{i}", b"") for i in range(11)])
    with pytest.raises(StartError, match="more than 10 members"):
        unpack(archive, tmp_path / "out", Bounds(max_members=10))


@KINDS
def test_nothing_in_it(tmp_path: Path, name: str, writer: Callable[[Path, Members], Path]) -> None:
    with pytest.raises(StartError, match="holds no files"):
        unpack(writer(tmp_path / name, []), tmp_path / "out")


def test_a_tar_header_that_fills_the_memory(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "m.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("a")
        info.pax_headers = {"comment": "x" * (1 << 20)}
        archive.addfile(info)
    with pytest.raises(StartError, match="a header is too large"):
        unpack(tmp_path / "m.tar.gz", tmp_path / "out")


NAMES = st.one_of(
    st.lists(
        st.sampled_from(["..", ".", "", "a", "b", "C:", "\\", "etc", "~", "\0", "con", "ä"]),
        min_size=1, max_size=5,
    ).map("/".join).filter(bool),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30),
)  # fmt: skip


@given(st.lists(st.tuples(NAMES, st.binary(max_size=8)), max_size=5), st.sampled_from(WRITERS))
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_no_name_leads_out_of_the_folder(
    members: Members, kind: tuple[str, Callable[[Path, Members], Path]]
) -> None:
    name, writer = kind
    with tempfile.TemporaryDirectory() as folder:
        archive = writer(Path(folder, name), members)
        with suppress(StartError):
            unpack(archive, Path(folder, "out"))
        assert {path.name for path in Path(folder).iterdir()} == {name, "out"}
        assert all(not path.is_symlink() for path in Path(folder, "out").rglob("*"))


@given(st.sampled_from(WRITERS), st.integers(0, 2**32), st.integers(1, 8))
def test_bytes_that_are_wrong_are_refused_or_unpacked_but_never_a_traceback(
    kind: tuple[str, Callable[[Path, Members], Path]], seed: int, wrong: int
) -> None:
    name, writer = kind
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        archive = writer(Path(folder, name), MODEL)
        body = bytearray(archive.read_bytes())
        for _ in range(wrong):
            body[rng.randrange(len(body))] = rng.randrange(256)
        archive.write_bytes(body[: rng.randrange(len(body) + 1)] if wrong == 1 else body)
        with suppress(StartError):
            unpack(archive, Path(folder, "out"))
        assert {path.name for path in Path(folder).iterdir()} == {name, "out"}
