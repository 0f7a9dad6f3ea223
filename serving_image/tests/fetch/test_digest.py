"""The server's digest and the lock file's are the same."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servestack.errors import RegistryError
from servestack.resolve.digest import digest_of as locked_digest
from servestack_server.errors import StartError
from servestack_server.fetch.digest import digest_of

NAMES = st.one_of(
    st.sampled_from(["a", "b", "a.b", "a-b", "ä", "Z", "registered_model_meta", "_", "𝛼", "a b"]),
    st.text(
        st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20
    ).filter(lambda name: name not in (".", "..")),
)
TREES = st.recursive(
    st.binary(max_size=40), lambda below: st.dictionaries(NAMES, below, max_size=4), max_leaves=12
)


def write(tree: object, path: Path) -> None:
    """A tree of folders (dict) and files (bytes)."""
    if isinstance(tree, dict):
        path.mkdir()
        for name, below in tree.items():
            write(below, path / name)
    elif isinstance(tree, bytes):
        path.write_bytes(tree)


@given(TREES)
def test_any_tree_has_the_digest_of_the_lock_file_or_is_refused_by_both(tree: object) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "artifact")
        write(tree, path)
        try:
            expected = locked_digest(path).sha256
        except RegistryError:
            with pytest.raises(StartError):
                digest_of(path)
        else:
            assert digest_of(path) == expected


@pytest.mark.parametrize("kind", ["link", "link to folder", "pipe", "name not in UTF-8"])
def test_what_the_lock_refuses_is_refused(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "artifact"
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors: {}")
    if kind == "link":
        (folder / "link").symlink_to("MLmodel")
    elif kind == "link to folder":
        (folder / "link").symlink_to(tmp_path)
    elif kind == "pipe":
        os.mkfifo(folder / "pipe")
    else:
        Path(os.fsdecode(bytes(folder) + b"/\xff")).write_bytes(b"")
    with pytest.raises(RegistryError):
        locked_digest(folder)
    with pytest.raises(StartError):
        digest_of(folder)
