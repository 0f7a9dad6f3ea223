"""Fetches that are killed, that come two at once, and what they say on their way."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from serving_image.tests.support.fetching import Fetch

from servestack_contract.artifact import Pin
from servestack_server.errors import StartError
from servestack_server.fetch.digest import digest_of
from servestack_server.fetch.progress import Progress

from .range_server import Answers, serving
from .test_digest import write

MODEL = random.Random(5).randbytes(24 << 20)
SHA256 = hashlib.sha256(MODEL).hexdigest()
PROGRAM = """
import sys
from pathlib import Path
from servestack_server.settings_file import parse_pin
from servestack_server.fetch.fetch import fetch
fetch([parse_pin(sys.argv[2])], Path(sys.argv[1]), say=print)
"""


def started(pin: Pin, into: Path, https: Answers) -> subprocess.Popen[bytes]:
    """A fetch in a process of its own that has begun to receive."""
    https.bytes_per_second = 12 << 20
    argument = f"{pin.name}={pin.value}#sha256={pin.sha256}"
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(into), argument])
    deadline = time.monotonic() + 60
    while https.sent_bytes < 6 << 20 and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.01)
    return process


@pytest.fixture
def pin(https: Answers) -> Pin:
    https.files["/model.onnx"] = MODEL
    return Pin("iris", f"{https.url}/model.onnx", SHA256)


def test_after_kill_9_only_the_rest_is_sent(
    pin: Pin, https: Answers, run: Fetch, tmp_path: Path
) -> None:
    process = started(pin, tmp_path / "models", https)
    process.kill()
    process.wait()
    assert not (tmp_path / "models/iris").exists()
    (part,) = (tmp_path / "models").glob(".partial-iris-*/part")
    there = part.stat().st_size
    assert 1 << 20 < there < len(MODEL)
    time.sleep(0.2)  # until the server has noticed
    https.sent_bytes, https.bytes_per_second = 0, None
    said = run(pin)
    assert https.sent_bytes == len(MODEL) - there
    assert said[0].startswith("iris: resuming at ")
    assert (tmp_path / "models/iris/model.onnx").read_bytes() == MODEL


def test_what_a_killed_fetch_left_of_another_file_does_not_last(
    pin: Pin, https: Answers, run: Fetch, tmp_path: Path
) -> None:
    process = started(pin, tmp_path / "models", https)
    process.kill()
    process.wait()
    (part,) = (tmp_path / "models").glob(".partial-iris-*/part")
    part.write_bytes(bytes(part.stat().st_size))
    https.bytes_per_second = None
    assert "iris: the partial download of an earlier fetch does not match; starting over" in run(
        pin
    )
    assert (tmp_path / "models/iris/model.onnx").read_bytes() == MODEL


def test_two_at_once_fetch_once(pin: Pin, https: Answers, run: Fetch, tmp_path: Path) -> None:
    process = started(pin, tmp_path / "models", https)
    said = run(pin)
    assert process.wait() == 0
    assert said == [
        f"{tmp_path / 'models'}: waiting for another fetch into this folder",
        f"iris: is already there, sha256 {SHA256} verified",
    ]
    assert https.sent_bytes == len(MODEL)


def test_files_of_a_folder_that_are_whole_are_not_sent_again(
    run: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = {"MLmodel": b"flavors: {}", "model.bin": MODEL[: 4 << 20], "z": b"z"}
    write(tree, tmp_path / "iris")
    service = "/api/2.0/mlflow-artifacts/artifacts"
    with serving() as server:
        listing = [{"path": name, "file_size": str(len(body))} for name, body in tree.items()]
        server.files[service] = json.dumps({"files": listing}).encode()
        server.files |= {f"{service}/1/iris/{name}": body for name, body in tree.items()}
        monkeypatch.setenv("MLFLOW_TRACKING_URI", server.url)
        pin = Pin("iris", "mlflow-artifacts:/1/iris", digest_of(tmp_path / "iris"))
        body = server.files.pop(f"{service}/1/iris/z")
        with pytest.raises(StartError, match="404"):
            run(pin)
        server.files[f"{service}/1/iris/z"] = body
        server.requests.clear()
        run(pin)
        assert [path.partition("?")[0] for path, _ in server.requests] == [
            service, f"{service}/1/iris/z"
        ]  # fmt: skip


def test_at_most_a_line_a_second() -> None:
    now = 0.0
    said: list[str] = []
    progress = Progress("iris", 98_000_000, said.append, lambda: now)
    progress.goes_on_at(8_000_000)
    for _ in range(90):
        now += 0.1
        progress.moved(1_000_000)
    progress.is_whole(98_000_000)
    assert said[0] == "iris: resuming at 8.0 of 98.0 MB"
    assert 8 <= len(said[1:]) <= 9
    assert said[1].endswith(" of 98.0 MB, 10 MB/s")
    assert not any("\r" in line for line in said)
    assert progress.summary() == "98.0 MB in 9.0 s"
