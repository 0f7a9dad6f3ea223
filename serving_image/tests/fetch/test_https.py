"""Downloads from an https server that is as bad as networks are."""

from __future__ import annotations

import hashlib
import random
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving_image.tests.support.fetching import QUICK, Fetch

from servestack_contract.artifact import Pin
from servestack_server.errors import StartError
from servestack_server.fetch.fetch import fetch
from servestack_server.fetch.patience import Patience
from servestack_server.fetch.sources.http import HttpsSource
from servestack_server.fetch.sources.mlflow import mlflow_source
from servestack_server.fetch.sources.source import PassingError, Remote

from .range_server import Answers, answering, serving

MODEL = random.Random(1).randbytes(5 << 20)
SHA256 = hashlib.sha256(MODEL).hexdigest()


@pytest.fixture
def pin(https: Answers) -> Pin:
    https.files["/iris/model.onnx"] = MODEL
    return Pin("iris", f"{https.url}/iris/model.onnx", SHA256)


def test_a_bare_file_lies_in_its_folder_under_its_own_name(
    pin: Pin, run: Fetch, tmp_path: Path
) -> None:
    said = run(pin)
    assert (tmp_path / "models/iris/model.onnx").read_bytes() == MODEL
    assert said[-1].endswith(f"sha256 {SHA256} verified")
    assert "5.2 MB in " in said[-1]
    left = {path.name for path in (tmp_path / "models").iterdir()}
    assert left == {"iris", ".lock", ".fetched-iris"}


def test_what_is_there_is_not_fetched_again(pin: Pin, run: Fetch, https: Answers) -> None:
    run(pin)
    https.requests.clear()
    assert run(pin) == [f"iris: is already there, sha256 {SHA256} verified"]
    assert https.requests == []


def test_what_was_changed_is_replaced(pin: Pin, run: Fetch, tmp_path: Path) -> None:
    run(pin)
    file = tmp_path / "models/iris/model.onnx"
    file.write_bytes(MODEL[:-1] + b"!")
    run(pin)
    assert file.read_bytes() == MODEL


def test_another_digest_is_refused_and_what_was_there_stays(
    pin: Pin, run: Fetch, https: Answers, tmp_path: Path
) -> None:
    run(pin)
    wanted = "0" * 64
    with pytest.raises(StartError) as error:
        run(Pin("iris", pin.value, wanted))
    assert SHA256 in str(error.value)
    assert wanted in str(error.value)
    assert (tmp_path / "models/iris/model.onnx").read_bytes() == MODEL
    assert not list((tmp_path / "models").glob(".partial-*"))


def test_without_a_digest_it_says_so(pin: Pin, run: Fetch) -> None:
    said = run(Pin("iris", pin.value))
    assert said[0] == "iris: is locked without a digest, so it is not verified"
    assert said[-1].endswith(f"sha256 {SHA256} not verified")


def test_a_line_that_breaks_again_and_again_costs_no_byte_twice(
    pin: Pin, run: Fetch, https: Answers
) -> None:
    https.cut_after_bytes = 1_500_000
    said = run(pin)
    assert https.sent_bytes == len(MODEL)
    assert https.requests[1][1]["if-range"] == https.etag("/iris/model.onnx")
    assert any("resuming at 1.5 of 5.2 MB" in line for line in said)


def test_a_server_without_ranges_begins_anew(pin: Pin, run: Fetch, https: Answers) -> None:
    https.ranges = False
    https.cut_after_bytes = 3_000_000
    with pytest.raises(StartError, match="the answer ended too soon, 4 times in a row"):
        run(pin)
    https.cut_after_bytes = None
    run(pin)


def test_a_server_without_validators_begins_anew(pin: Pin, run: Fetch, https: Answers) -> None:
    https.validators = False
    https.cut_after_bytes = 3_000_000
    with pytest.raises(StartError, match="the answer ended too soon"):
        run(pin)
    https.cut_after_bytes = None
    run(pin)
    assert "range" not in https.requests[-1][1]


def test_a_file_that_changes_between_two_tries_comes_whole(
    run: Fetch, https: Answers, tmp_path: Path
) -> None:
    old = random.Random(2).randbytes(len(MODEL))
    https.files["/m.onnx"] = old
    https.cut_after_bytes = 2 << 20
    pin = Pin("m", f"{https.url}/m.onnx", SHA256)
    with pytest.raises(StartError):
        https.ranges = False
        run(pin)
    https.ranges, https.cut_after_bytes, https.files["/m.onnx"] = True, None, MODEL
    run(pin)
    assert https.requests[-1][1]["range"]
    assert (tmp_path / "models/m/m.onnx").read_bytes() == MODEL


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408, 0])
def test_what_may_pass_is_tried_again(pin: Pin, run: Fetch, https: Answers, status: int) -> None:
    https.faults = [status, status]
    run(pin)
    assert len(https.requests) == 3


def test_tries_are_bounded(pin: Pin, run: Fetch, https: Answers) -> None:
    https.faults = [503] * 100
    with pytest.raises(StartError, match=r"answered 503 Service Unavailable, 4 times in a row"):
        run(pin)
    assert len(https.requests) == QUICK.tries


def test_retry_after_is_obeyed_up_to_a_bound(pin: Pin, run: Fetch, https: Answers) -> None:
    https.faults, https.retry_after = [429], "86400"
    assert any("again in 0.3 s" in line for line in run(pin))


@pytest.mark.parametrize(
    ("status", "words"), [(401, "access is refused"), (403, "access is refused"), (418, "418")]
)
def test_refusals_are_told_at_once(
    pin: Pin, run: Fetch, https: Answers, status: int, words: str
) -> None:
    https.faults = [status]
    with pytest.raises(StartError, match=words):
        run(pin)
    assert len(https.requests) == 1


def test_a_missing_file_is_told_without_the_secrets_of_its_address(
    run: Fetch, https: Answers
) -> None:
    uri = https.url.replace("://", "://user:hunter2@") + "/none.onnx?signature=hunter3"
    with pytest.raises(StartError, match=r"/none\.onnx: is not there: answered 404") as error:
        run(Pin("iris", uri, SHA256))
    assert "hunter" not in str(error.value)


def test_redirects_stay_with_https(pin: Pin, run: Fetch, https: Answers) -> None:
    https.redirects["/here"] = "/iris/model.onnx"
    run(Pin("iris", f"{https.url}/here", SHA256))
    with serving() as plain:
        plain.files["/model.onnx"] = MODEL
        https.redirects["/there"] = f"{plain.url}/model.onnx?key=secret"
        with pytest.raises(StartError, match="which is not https") as error:
            run(Pin("other", f"{https.url}/there", SHA256))
        assert plain.requests == []
    assert "secret" not in str(error.value)
    https.redirects["/round"] = "/round"
    with pytest.raises(StartError, match="redirects too many times"):
        run(Pin("other", f"{https.url}/round", SHA256))


def test_an_untrusted_certificate_is_told_at_once(
    pin: Pin, run: Fetch, https: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(StartError, match="certificate is not trusted: self-signed") as error:
        run(pin)
    assert "SSL_CERT_FILE" in error.value.hint
    assert https.requests == []


def test_http_behind_an_https_address_is_told(run: Fetch) -> None:
    with serving() as plain, pytest.raises(StartError, match="does not speak https"):
        run(Pin("iris", plain.url.replace("http:", "https:") + "/model.onnx", SHA256))


def test_a_range_beyond_the_end_brings_the_whole_file(pin: Pin, https: Answers) -> None:
    source = HttpsSource(pin.value)
    (remote,) = source.list_files().files
    with source.open(remote, 1 << 40, https.etag("/iris/model.onnx")) as stream:
        assert stream.start == 0
        assert b"".join(stream.chunks) == MODEL


HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            ["Content-Length", "Content-Range", "ETag", "Location", "Retry-After", "Date",
             "Transfer-Encoding", "Content-Encoding", "Last-Modified", "Connection"]
        ),
        st.one_of(
            st.sampled_from(
                ["5", "0", "-1", "9" * 5000, "\xb2", "bytes 0-4/5", "bytes 3-4/" + "9" * 30, "chunked",
                 "gzip", '"tag"', "https://[::1", "//", "http://localhost/", "https://localhost:x/",
                 "Fri, 31 Feb 2025 25:00:00 GMT", "Thu, 20 Nov 2025 10:00:00 GMT", "\0"]
            ),
            st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=20),
        ),
    ),
    max_size=5,
)  # fmt: skip


@given(
    st.sampled_from([200, 206, 301, 302, 308, 416, 204, 503, 999]), HEADERS, st.binary(max_size=60)
)
def test_whatever_a_server_answers_is_told_in_words(
    status: int, headers: list[tuple[str, str]], body: bytes
) -> None:
    head = "".join(f"{name}: {value}\r\n" for name, value in headers).encode("latin-1")
    said: list[str] = []
    patience = Patience(tries=2, first_wait_seconds=0, longest_asked_seconds=0)
    with (
        answering(f"HTTP/1.1 {status} X\r\n".encode() + head + b"\r\n" + body) as url,
        tempfile.TemporaryDirectory() as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("MLFLOW_TRACKING_URI", url)
        source = mlflow_source("mlflow-artifacts:/1/model.onnx")
        with suppress(StartError, PassingError):
            for start in (0, 3):
                with source.open(Remote("model.onnx"), start, '"tag"') as stream:
                    assert b"".join(stream.chunks) in body
        with suppress(StartError):
            fetch(
                [Pin("m", source.shown.partition(" ")[0])],
                Path(folder),
                say=said.append,
                patience=patience,
            )


def test_nobody_there(run: Fetch) -> None:
    with serving() as gone:
        url = gone.url.replace("http:", "https:")
    with pytest.raises(StartError, match="the connection is refused, 4 times in a row"):
        run(Pin("iris", f"{url}/model.onnx", SHA256))
