"""Every invalid file gives exactly the promised problems, each at its line.

The promise stands at the end of each file: `# expects LINE ID FIELD: MESSAGE`.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from servestack.errors import SpecError
from servestack.spec.load import load_environment, load_model_service

HERE = Path(__file__).parent
SPECS = sorted((HERE / "invalid").glob("*.yaml"))
ENVIRONMENTS = sorted((HERE / "invalid_environments").glob("*.yaml"))
EXPECTED = re.compile(r"^# expects (\d+) (SRV\d+) (\S+): (.*)$", re.MULTILINE)

Promise = tuple[int, str, str, str]


def promised(file: Path) -> list[Promise]:
    found = EXPECTED.findall(file.read_text())
    return [(int(line), id, "" if field == "-" else field, text) for line, id, field, text in found]


def problems_of(error: SpecError) -> list[Promise]:
    return [
        (p.location.line if p.location else 0, p.id, p.field, p.message) for p in error.problems
    ]


def test_there_are_enough_of_them() -> None:
    assert len(SPECS) >= 40
    assert all(promised(file) for file in [*SPECS, *ENVIRONMENTS])


@pytest.mark.parametrize("file", SPECS, ids=lambda file: file.stem)
def test_spec(file: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load_model_service(file)
    assert problems_of(caught.value) == promised(file)


@pytest.mark.parametrize("file", ENVIRONMENTS, ids=lambda file: file.stem)
def test_environment(file: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load_environment(file)
    assert problems_of(caught.value) == promised(file)


@pytest.mark.parametrize(
    ("content", "id", "words"),
    [
        (b"name: \xff\xfe", "SRV102", "UTF-8"),
        (b"#" * 300_000, "SRV102", "larger than 256 KiB"),
        (b"\x00\x01", "SRV103", "YAML"),
    ],
)
def test_files_that_are_no_text(tmp_path: Path, content: bytes, id: str, words: str) -> None:
    file = tmp_path / "iris.yaml"
    file.write_bytes(content)
    with pytest.raises(SpecError) as caught:
        load_model_service(file)
    assert [problem.id for problem in caught.value.problems] == [id]
    assert words in str(caught.value)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    for file in (tmp_path / "nowhere.yaml", tmp_path):
        with pytest.raises(SpecError, match="SRV101"):
            load_model_service(file)


def test_a_literal_secret_is_never_repeated(tmp_path: Path) -> None:
    file = tmp_path / "iris.yaml"
    for line in (
        "artifact: https://me:hunter2hunter2@example.com/m.onnx",
        "description: ghp_hunter2hunter2hunter2hunter2hunter2hunt",
        "env: [{name: DB_PASSWORD, value: hunter2hunter2}]",
    ):
        file.write_text(f"apiVersion: servestack/v1\nkind: ModelService\nname: iris\n{line}\n")
        with pytest.raises(SpecError, match="SRV107") as caught:
            load_model_service(file)
        assert "hunter2hunter2" not in str(caught.value)
