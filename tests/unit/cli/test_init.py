"""`servestack init`: what it writes, what it keeps, and how it names the servestack that runs."""

from __future__ import annotations

import json
import subprocess
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from servestack.cli.installed import requirement_of
from servestack.cli.start_commands import init
from servestack.errors import SpecError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def files(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): file.read_text()
        for file in folder.rglob("*")
        if file.is_file() and ".git" not in file.relative_to(folder).parts
    }


def test_a_second_run_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    init(tmp_path)
    first = files(tmp_path)
    assert set(first) == {
        ".gitattributes", ".gitignore", "Pulumi.yaml", "README.md", "models/iris.yaml",
        "requirements.txt", "stacks/__main__.py", "stacks/config/Pulumi.dev.yaml",
        "stacks/config/Pulumi.prod.yaml", "stacks/dev.yaml", "stacks/prod.yaml",
        "stacks/requirements.txt", "train.py",
    }  # fmt: skip
    told = capsys.readouterr().err
    assert all(f"wrote {tmp_path / name}\n" in told for name in first)
    init(tmp_path)
    assert files(tmp_path) == first
    told = capsys.readouterr().err
    assert "wrote" not in told
    assert f"kept {tmp_path / 'Pulumi.yaml'}\n" in told


def test_what_is_there_is_kept_and_the_rest_written(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "Pulumi.yaml").symlink_to("nowhere")
    init(tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine"
    assert (tmp_path / "Pulumi.yaml").is_symlink()
    assert (tmp_path / "stacks/__main__.py").exists()


def test_a_project_of_ones_own_gets_no_examples(tmp_path: Path) -> None:
    for name in ("models/rose.yaml", "stacks/test.yaml"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("mine")
    init(tmp_path)
    assert set(files(tmp_path)) == {
        ".gitattributes", ".gitignore", "Pulumi.yaml", "README.md", "models/rose.yaml",
        "requirements.txt", "stacks/__main__.py", "stacks/requirements.txt", "stacks/test.yaml",
    }  # fmt: skip


def test_a_git_repository_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    init(tmp_path / "outer")
    init(tmp_path / "outer/inner")
    assert (tmp_path / "outer/.git").is_dir()
    assert not (tmp_path / "outer/inner/.git").exists()
    monkeypatch.setenv("PATH", str(tmp_path))
    init(tmp_path / "without")
    assert (tmp_path / "without/Pulumi.yaml").exists()
    assert not (tmp_path / "without/.git").exists()


def test_git_ignores_what_is_made_and_marks_what_is_generated(tmp_path: Path) -> None:
    init(tmp_path)

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    made = [".venv/bin/python", "mlflow.db", "mlruns/1/model", "stacks/__pycache__/x.pyc"]
    assert git("check-ignore", *made).splitlines() == made
    for file in ("rendered/dev/iris/service-iris.yaml", "stacks/dev.lock.yaml"):
        assert "linguist-generated: true" in git("check-attr", "linguist-generated", file)
    assert "unspecified" in git("check-attr", "linguist-generated", "stacks/dev.yaml")


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpecError, match="SRV304 the project cannot be written"):
        init(tmp_path / "file/project")


@pytest.mark.parametrize(
    ("origin", "line"),
    [
        (None, "servestack==0.4.2"),
        (
            {
                "url": "https://git.example.com/servestack.git",
                "vcs_info": {"vcs": "git", "requested_revision": "main", "commit_id": COMMIT},
            },
            f"servestack @ git+https://git.example.com/servestack.git@{COMMIT}",
        ),
        (
            {
                "url": "ssh://git@git.example.com/all.git",
                "vcs_info": {"vcs": "git", "commit_id": COMMIT},
                "subdirectory": "servestack",
            },
            f"servestack @ git+ssh://git@git.example.com/all.git@{COMMIT}#subdirectory=servestack",
        ),
        (
            {"url": "file:///home/me/serve%20stack", "dir_info": {"editable": True}},
            "servestack @ file:///home/me/serve%20stack",
        ),
        (
            {"url": "https://example.com/servestack-0.4.2-py3-none-any.whl", "archive_info": {}},
            "servestack @ https://example.com/servestack-0.4.2-py3-none-any.whl",
        ),
    ],
)
def test_requirements_name_the_servestack_that_runs(
    tmp_path: Path, origin: dict[str, object] | None, line: str
) -> None:
    (tmp_path / "METADATA").write_text("Metadata-Version: 2.4\nName: servestack\nVersion: 0.4.2\n")
    if origin is not None:
        (tmp_path / "direct_url.json").write_text(json.dumps(origin))
    *comment, last = requirement_of(Distribution.at(tmp_path)).splitlines()
    assert last == line
    assert len(comment) == ("file:" in line)
    assert all("servestack==0.4.2, before you commit" in each for each in comment)
