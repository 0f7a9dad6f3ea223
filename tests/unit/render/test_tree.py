"""rendered/: written whole, pruned, never anybody else's file, never half of one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from servestack.errors import RenderError
from servestack.manifests.manifest import Manifest
from servestack.render.tree import check_tree, read_tree, to_stream, to_texts, write_tree


def manifest(name: str, group: str = "iris", **data: str) -> Manifest:
    body: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "models"},
        "data": data or {"a": "b"},
    }
    return Manifest(
        group, "workload", "servestack.manifests.workload.build_it", "models/iris.yaml", body
    )


def test_writes_reads_and_prunes(tmp_path: Path) -> None:
    both = [manifest("a"), manifest("b")]
    assert write_tree(tmp_path, both).written == ("iris/configmap-a.yaml", "iris/configmap-b.yaml")
    assert read_tree(tmp_path) == tuple(both)
    result = write_tree(tmp_path, both[:1])
    assert result.unchanged == ("iris/configmap-a.yaml",)
    assert result.pruned == ("iris/configmap-b.yaml",)
    assert write_tree(tmp_path, []).pruned == ("iris/configmap-a.yaml",)
    assert list(tmp_path.iterdir()) == []


def test_unchanged_files_are_not_touched(tmp_path: Path) -> None:
    write_tree(tmp_path, [manifest("a")])
    file = tmp_path / "iris/configmap-a.yaml"
    os.utime(file, (1, 1))
    write_tree(tmp_path, [manifest("a")])
    assert file.stat().st_mtime == 1


def test_check_tells_what_is_stale_and_writes_nothing(tmp_path: Path) -> None:
    write_tree(tmp_path, [manifest("a"), manifest("b")])
    stale = check_tree(tmp_path, [manifest("a", x="y"), manifest("c")])
    assert [(file.path, file.why) for file in stale] == [
        ("iris/configmap-a.yaml", "differs"),
        ("iris/configmap-b.yaml", "left over"),
        ("iris/configmap-c.yaml", "missing"),
    ]
    assert check_tree(tmp_path, [manifest("a"), manifest("b")]) == ()


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    foreign = tmp_path / "iris/notes.yaml"
    foreign.parent.mkdir()
    foreign.write_text("mine: true\n")
    (tmp_path / "README.md").write_text("mine")
    result = write_tree(tmp_path, [manifest("a")])
    assert result.foreign == ("README.md", "iris/notes.yaml")
    assert write_tree(tmp_path, []).pruned == ("iris/configmap-a.yaml",)
    assert foreign.read_text() == "mine: true\n"


def test_a_foreign_file_in_the_way_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "iris/configmap-a.yaml"
    file.parent.mkdir()
    file.write_text("mine: true\n")
    with pytest.raises(RenderError, match="SRV302"):
        write_tree(tmp_path, [manifest("a")])
    assert file.read_text() == "mine: true\n"


def test_two_objects_with_one_path_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(RenderError, match="SRV301"):
        write_tree(tmp_path, [manifest("a"), manifest("a")])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../a", "a/b", "A", "a\nb"])
def test_names_cannot_lead_out(tmp_path: Path, name: str) -> None:
    with pytest.raises(RenderError, match="SRV301"):
        write_tree(tmp_path / "rendered", [manifest(name)])
    assert list(tmp_path.iterdir()) == []


def test_a_linked_file_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.yaml"
    secret.write_text("mine")
    root = tmp_path / "rendered"
    (root / "iris").mkdir(parents=True)
    (root / "iris/configmap-a.yaml").symlink_to(secret)
    with pytest.raises(RenderError, match="SRV302"):
        write_tree(root, [manifest("a")])
    assert secret.read_text() == "mine"


def test_broken_files_are_told_with_their_place(tmp_path: Path) -> None:
    write_tree(tmp_path, [manifest("a")])
    file = tmp_path / "iris/configmap-a.yaml"
    header = file.read_text().splitlines()[0]
    for text, words in (("a: [\n", "not valid YAML"), ("- a\n", "not a Kubernetes object")):
        file.write_text(f"{header}\n{text}")
        with pytest.raises(RenderError, match=words) as caught:
            read_tree(tmp_path)
        assert str(file) in str(caught.value)


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for a few pages only."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("mounting a small file system needs root")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_leaves_what_was_there(full_disk: Path) -> None:
    root = full_disk / "rendered"
    write_tree(root, [manifest("a")])
    before = (root / "iris/configmap-a.yaml").read_text()
    with pytest.raises(RenderError, match=r"SRV304 .*No space left"):
        write_tree(root, [manifest("a", big="x" * 20_000)])
    assert (root / "iris/configmap-a.yaml").read_text() == before
    assert [file.name for file in root.rglob("*") if file.is_file()] == ["configmap-a.yaml"]


def test_two_runs_at_once_leave_whole_files(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from tests.unit.render.test_tree import manifest\n"
        "from servestack.render.tree import write_tree\n"
        "for i in range(60):\n"
        "    write_tree(Path(sys.argv[1]), [manifest(f'm{n}', text=sys.argv[2] * 5000) for n in range(5)])\n"
    )
    runs = [
        subprocess.Popen([sys.executable, "-c", program, tmp_path, letter]) for letter in ("a", "b")
    ]
    assert [run.wait() for run in runs] == [0, 0]
    read = read_tree(tmp_path)
    assert len(read) == 5
    assert all(m.body["data"]["text"] in ("a" * 5000, "b" * 5000) for m in read)
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_stream_is_one_document_an_object() -> None:
    stream = "".join(to_stream(to_texts([manifest("a"), manifest("b")])))
    assert stream.count("---\n") == 1
    assert stream.count("kind: ConfigMap") == 2
