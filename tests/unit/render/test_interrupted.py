"""A rendered folder holds whole files at any moment, whatever happens to the run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from servestack.manifests.manifest import Manifest
from servestack.render.tree import check_tree, to_text, write_tree
from tests.unit.render.manifests import config_map

NAMES = [f"part-{number:02}" for number in range(20)]
SIZE = 60_000
FLIP = """
import sys
from pathlib import Path
from servestack.render.tree import write_tree
from tests.unit.render.test_interrupted import version
root, letters, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
for number in range(rounds):
    write_tree(root, version(letters[number % len(letters)]))
    print(number, flush=True)
"""
LIMITED = """
import resource, sys
from pathlib import Path
from servestack.errors import RenderError
from servestack.render.tree import write_tree
from tests.unit.render.test_interrupted import version
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_tree(Path(sys.argv[1]), version("b"))
except RenderError as error:
    print(error)
"""
# Root may write anywhere, so it becomes nobody; a relative path needs no rights further up.
FORBIDDEN = """
import os, sys
from pathlib import Path
from servestack.errors import RenderError
from servestack.render.tree import write_tree
from tests.unit.render.test_interrupted import version
manifests = version("b")
os.chdir(sys.argv[1])
if os.geteuid() == 0:
    os.setuid(65534)
try:
    write_tree(Path("."), manifests)
except RenderError as error:
    print(error)
"""


def version(letter: str) -> list[Manifest]:
    return [config_map(name, letter=letter * SIZE) for name in NAMES]


def _start(program: str, root: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", program, str(root), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _assert_whole(root: Path, letters: str) -> None:
    allowed = [
        {to_text(manifest) for manifest in same}
        for same in zip(*map(version, letters), strict=True)
    ]
    for manifest, texts in zip(version(letters[0]), allowed, strict=True):
        assert (root / manifest.path).read_text() in texts


@pytest.mark.parametrize("rounds", [1, 2, 3, 5])
def test_a_killed_run_leaves_whole_files(tmp_path: Path, rounds: int) -> None:
    write_tree(tmp_path, version("a"))
    with _start(FLIP, tmp_path, "ba", "1000000") as process:
        assert process.stdout is not None
        for _ in range(rounds):
            assert process.stdout.readline()
        process.kill()
    _assert_whole(tmp_path, "ab")
    write_tree(tmp_path, version("a"))
    assert sorted(path.name for path in (tmp_path / "iris").iterdir()) == sorted(
        f"configmap-{name}.yaml" for name in NAMES
    )


def test_what_a_killed_run_left_is_cleared_away(tmp_path: Path) -> None:
    write_tree(tmp_path, version("a"))
    leftover = tmp_path / "iris/.configmap-part-00.yaml.0a1b2c3d.tmp"
    leftover.write_text("half")
    assert check_tree(tmp_path, version("a")) == ()
    assert write_tree(tmp_path, []).foreign == ()
    assert list(tmp_path.iterdir()) == []


def test_two_runs_at_once_take_turns(tmp_path: Path) -> None:
    with _start(FLIP, tmp_path, "a", "15") as one, _start(FLIP, tmp_path, "b", "15") as two:
        assert one.communicate()[1] == two.communicate()[1] == ""
    assert one.returncode == two.returncode == 0
    # Taking turns, the last run's version stands whole: no mixture of both.
    assert any(check_tree(tmp_path, version(letter)) == () for letter in "ab")


@pytest.mark.parametrize(
    ("program", "reason"), [(LIMITED, "File too large"), (FORBIDDEN, "Permission denied")]
)
def test_a_full_or_forbidden_disk_is_one_clear_error(
    tmp_path: Path, program: str, reason: str
) -> None:
    root = tmp_path / "rendered"
    write_tree(root, version("a"))
    (root / "iris").chmod(0o555)
    process = _start(program, root)
    output, errors = process.communicate()
    (root / "iris").chmod(0o755)
    assert errors == ""
    assert f"iris/configmap-part-00.yaml: SRV304 cannot be written: {reason}" in output
    assert check_tree(root, version("a")) == ()
    assert len(list((root / "iris").iterdir())) == len(NAMES)
