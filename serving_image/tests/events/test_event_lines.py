"""The form of every line: the schema of events, whatever the values are."""

from __future__ import annotations

import datetime
import hashlib
import hmac
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from serving_image.tests.events.event_support import VALIDATOR
from serving_image.tests.events.event_support import settings as event_settings

from servestack_contract.artifact import Pin
from servestack_contract.settings import (
    Column,
    Input,
    Param,
    PredictionLog,
    Redaction,
    ServerSettings,
    Tensor,
)
from servestack_server.errors import StartError
from servestack_server.events.answered import Answered
from servestack_server.events.origin import Origin
from servestack_server.events.others import OtherEvents
from servestack_server.events.prediction import PredictionEvents
from servestack_server.events.values import to_json
from servestack_server.input.tensor_rows import TensorRows

ID = "0b5a7c1e-6c1f-4f0e-9a57-0d9b1f3f3c11"
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
COLUMNS = tuple(Column(name=name, type="string") for name in ("age", "email", "city"))
EVENTS = event_settings(Path("/nowhere"))
ORIGIN = Origin("canary", "cd" * 32)


def refuse(text: str) -> Any:
    raise AssertionError(f"{text} is not JSON")


def checked(line: bytes | None) -> dict[str, Any]:
    """The event of a line that is one line, begins with the id, and is as the schema says."""
    assert line is not None
    assert line.startswith(b'{"id":"')
    assert b"\n" not in line
    event: dict[str, Any] = json.loads(line, parse_constant=refuse)
    VALIDATOR.validate(event)
    return event


def config(changes: dict[str, Any] | None = None, **log: Any) -> ServerSettings:
    return ServerSettings(
        name="iris",
        models=(),
        input=Input(columns=COLUMNS),
        events=event_settings(
            Path("/nowhere"), **{"predictions": PredictionLog(**log), **(changes or {})}
        ),
    )


def clock() -> float:
    return 1767323045.678


def answered(request_id: str = ID, **changes: Any) -> Answered:
    given: dict[str, Any] = {
        "traceparent": None,
        "model": "iris",
        "version": "4",
        "endpoint": "/v1/iris/predict",
        "seconds": 0.0009,
        "rows": [[5.1, 3.5, 1.4]],
        "values": [0],
    }
    return Answered(to_json(request_id)[1:-1], **(given | changes))


def prediction(events: PredictionEvents, **changes: Any) -> bytes | None:
    return events.line(answered(**changes))


def test_a_prediction_is_as_documented() -> None:
    events = PredictionEvents(
        config(),
        pins=[Pin("iris", "4", "ab" * 32)],
        origin=ORIGIN,
        clock=clock,
    )
    assert checked(prediction(events, traceparent=PARENT.encode())) == {
        "id": ID,
        "source": "/models/iris",
        "type": "prediction.v1",
        "specversion": "1.0",
        "time": "2026-01-02T03:04:05.678Z",
        "traceparent": PARENT,
        "data": {
            "model": "iris",
            "version": "4",
            "artifactDigest": "ab" * 32,
            "specDigest": "cd" * 32,
            "variant": "canary",
            "endpoint": "/v1/iris/predict",
            "status": 200,
            "sample": 1.0,
            "redacted": [],
            "latencyMs": 0.9,
            "inputs": [[5.1, 3.5, 1.4]],
            "outputs": [0],
            "truncated": False,
        },
    }


def test_a_prediction_that_failed_has_neither_inputs_nor_outputs() -> None:
    event = checked(prediction(PredictionEvents(config()), status=422, rows=None, values=None))
    assert event["data"]["status"] == 422
    assert not {"inputs", "outputs"} & set(event["data"])


def test_inputs_and_outputs_can_be_left_out() -> None:
    event = checked(prediction(PredictionEvents(config(inputs=False, outputs=False))))
    assert not {"inputs", "outputs"} & set(event["data"])


@pytest.mark.parametrize("kinds", [(), ("feedback",)])
def test_predictions_are_off_where_they_are_not_shipped(kinds: tuple[str, ...]) -> None:
    assert not PredictionEvents(config({"kinds": kinds})).is_on
    assert PredictionEvents(config()).is_on


TRACE, SPAN = PARENT[3:35], PARENT[36:52]


@pytest.mark.parametrize("is_ready", [True, False], ids=["ready JSON", "values"])
@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (PARENT, PARENT),
        (f"00-{TRACE}-{SPAN}-00", f"00-{TRACE}-{SPAN}-00"),
        # A later version is read as far as this one goes.
        (f"01-{TRACE}-{SPAN}-03", f"00-{TRACE}-{SPAN}-01"),
        (f"cc-{TRACE}-{SPAN}-02-more", f"00-{TRACE}-{SPAN}-00"),
        (f"01-{TRACE}-{SPAN}-01.more", None),
        (f"00-{TRACE}-{SPAN}-01-more", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (PARENT.upper(), None),
        (PARENT[:-1], None),
        (PARENT + "\n", None),
        ("00-abc", None),
        ("", None),
    ],
)
def test_a_traceparent_is_kept_where_it_is_valid(
    given: str, kept: str | None, is_ready: bool
) -> None:
    events = PredictionEvents(config())
    line: bytes | None = ready(events, b"[[ 1]]", b"[ 0]", traceparent=given.encode())
    if not is_ready:
        line = prediction(events, traceparent=given.encode())
    assert (b"[[ 1]]" in (line or b"")) == is_ready
    assert checked(line).get("traceparent") == kept


def test_a_promoted_pod_says_so_in_the_events_that_follow() -> None:
    events, others = PredictionEvents(config(), origin=ORIGIN), OtherEvents(EVENTS, origin=ORIGIN)

    def variants() -> list[str]:
        lines = (
            ready(events, b"[[1]]", b"[0]"), prediction(events), others.feedback(answered(), clock(), 1),
            others.access(answered(), clock()), others.custom(answered(), clock(), "drift", {}),
        )  # fmt: skip
        return [checked(line)["data"]["variant"] for line in lines]

    assert variants() == ["canary"] * 5
    stable = Origin("stable", ORIGIN.spec_digest)
    events.change_origin(stable)
    others.change_origin(stable)
    assert variants() == ["stable"] * 5


texts = st.text() | st.text(alphabet=st.characters(min_codepoint=0xD7F0, max_codepoint=0xE010))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.binary()
    | st.datetimes(timezones=st.none() | st.just(datetime.UTC)) | st.dates() | st.decimals()
    | st.uuids() | st.timedeltas() | st.complex_numbers()
    | st.floats(width=32).map(np.float32) | st.integers(-5, 5).map(np.int64)
    | st.lists(st.floats(width=32), max_size=4).map(np.array),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts | st.integers(), inner)
    | st.tuples(inner, inner),
    max_leaves=12,
)  # fmt: skip


@given(rows=st.lists(st.lists(values, max_size=4), max_size=3), outputs=values)
def test_any_value_gives_a_line_of_the_schema(rows: list[list[Any]], outputs: Any) -> None:
    checked(prediction(PredictionEvents(config()), rows=rows, values=outputs))


@given(request_id=st.text(min_size=8, max_size=128), seconds=st.floats(0, 4e9))
def test_any_id_and_time(request_id: str, seconds: float) -> None:
    events = PredictionEvents(config(), clock=lambda: seconds)
    event = checked(prediction(events, request_id=request_id))
    assert event["id"] == request_id
    told = datetime.datetime.fromisoformat(event["time"]).timestamp()
    assert -1e-6 < seconds - told < 0.001001


@given(st.floats())
def test_any_latency(latency_ms: float) -> None:
    checked(prediction(PredictionEvents(config()), seconds=latency_ms / 1000))


def test_what_json_does_not_have_is_null() -> None:
    assert to_json([float("nan"), float("inf"), np.float64("nan"), np.nan]) == (
        b"[null,null,null,null]"
    )
    assert to_json(np.array([[1.5, np.inf]])) == b"[[1.5,null]]"


def test_numbers_come_back_as_they_were() -> None:
    assert to_json([0.1, 2**53, 1e300, -0.0, np.float64(0.1)]) == (
        b"[0.1,9007199254740992,1e300,-0.0,0.1]"
    )


def test_columns_are_redacted_before_the_line_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVESTACK_HASH_KEY", "secret")
    events = PredictionEvents(config(redact={"age": "drop", "email": "hash"}))
    rows = [[41, "a@example.com", "Riga"], (42, None, "Turku"), (43, "a@example.com", "")]
    line = prediction(events, rows=rows)
    digest = hmac.new(b"secret", b'"a@example.com"', hashlib.sha256).hexdigest()
    data = checked(line)["data"]
    assert data["inputs"] == [[None, digest, "Riga"], [None, None, "Turku"], [None, digest, ""]]
    assert data["redacted"] == ["age", "email"]
    assert line is not None
    assert b"example.com" not in line
    assert b"[41" not in line
    assert rows[0] == [41, "a@example.com", "Riga"]


def test_hashes_differ_by_service_where_no_key_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SERVESTACK_HASH_KEY", raising=False)
    hashes = {
        checked(prediction(PredictionEvents(config({"source": source}, redact={"city": "hash"}))))[
            "data"
        ]["inputs"][0][2]
        for source in ("/models/iris", "/models/other")
    }
    assert len(hashes) == 2


def test_a_column_that_is_not_there_is_not_logged_as_it_is() -> None:
    with pytest.raises(
        StartError, match=r"no input is called mail \(the names are age, email, city\)"
    ):
        PredictionEvents(config(redact={"mail": "hash"}))


def redacting(given: Input, *params: Param, **redact: Redaction) -> PredictionEvents:
    """Prediction events of a service with that input."""
    whole = structs.replace(config(redact=redact), input=given, params=params or None)
    return PredictionEvents(whole, clock=clock)


def test_params_are_redacted_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVESTACK_HASH_KEY", "secret")
    params = [Param("user", "string"), Param("k", "long", 3), Param("t", "double", 0.5)]
    events = redacting(Input(columns=COLUMNS), *params, user="hash", k="drop")
    for user in ("jo", None):
        line = prediction(events, params_json=to_json({"user": user, "k": 987654321012, "t": 0.5}))
        digest = hmac.new(b"secret", b'"jo"', hashlib.sha256).hexdigest()
        data = checked(line)["data"]
        assert data["params"] == {"user": digest if user else None, "k": None, "t": 0.5}
        assert data["redacted"] == ["k", "user"]
        assert data["inputs"] == [[5.1, 3.5, 1.4]]
        assert line is not None
        assert b'"jo"' not in line
        assert b"987654321012" not in line


def test_a_name_of_a_column_and_of_a_param_redacts_both() -> None:
    events = redacting(Input(columns=COLUMNS), Param("age", "long", 1), age="drop")
    data = checked(prediction(events, params_json=b'{"age":7}'))["data"]
    assert (data["inputs"], data["params"]) == ([[None, 3.5, 1.4]], {"age": None})


def test_tensors_are_redacted_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVESTACK_HASH_KEY", "secret")
    tensors = (
        Tensor("float32", (-1, 2), "face"),
        Tensor("str", (-1,), "town"),
        Tensor("int64", (-1,), "n"),
    )
    face = np.array([[0.5, 1.5], [2.5, 3.5]], dtype=np.float32)
    rows = TensorRows({"face": face, "town": np.array(["Bonn", "Köln"]), "n": np.arange(2)})
    data = checked(
        prediction(redacting(Input(tensors=tensors), face="hash", town="drop"), rows=rows)
    )["data"]
    digests = [
        hmac.new(b"secret", text, hashlib.sha256).hexdigest()
        for text in (b"[0.5,1.5]", b"[2.5,3.5]")
    ]
    assert data["inputs"] == [
        {"face": digests[0], "town": None, "n": 0}, {"face": digests[1], "town": None, "n": 1},
    ]  # fmt: skip
    assert data["redacted"] == ["face", "town"]
    alone = Input(tensor=tensors[0])
    assert (
        checked(prediction(redacting(alone, face="hash"), rows=face))["data"]["inputs"] == digests
    )
    assert (
        checked(prediction(redacting(alone, face="drop"), rows=face))["data"]["inputs"]
        == [None] * 2
    )
    with pytest.raises(StartError, match="no input is called town"):
        redacting(alone, town="drop")
    with pytest.raises(StartError, match="the input has no names"):
        redacting(Input(tensor=Tensor("float32", (-1, 2))), town="drop")


@pytest.mark.parametrize("share", [0.01, 0.25, 0.9])
@pytest.mark.parametrize("form", ["{:08d}", "req-{}-0000000", "0b5a7c1e-6c1f-4f0e-9a57-{:012x}"])
def test_the_sample_is_the_share_that_was_asked_for(share: float, form: str) -> None:
    """Of ids that follow one another too, which a checksum might all take for alike."""
    events, again = (PredictionEvents(config(sample=share)) for _ in range(2))
    ids = [form.format(number) for number in range(20_000)]
    taken = [one for one in ids if prediction(events, request_id=one) is not None]
    assert len(taken) / len(ids) == pytest.approx(share, rel=0.15)
    assert taken == [one for one in ids if again.is_sampled(one.encode())]
    assert checked(prediction(events, request_id=taken[0]))["data"]["sample"] == share


@given(rows=st.integers(0, 900), outputs=st.integers(0, 9000), maximum=st.integers(1200, 20_000))
def test_what_is_too_long_is_cut(rows: int, outputs: int, maximum: int) -> None:
    """Inputs first, then outputs, and never more than has to be."""
    budget = {"max_event_bytes": maximum}
    events = PredictionEvents(config(budget), clock=clock)
    given = {"rows": [[1.5, 2.5, 3.5]] * rows, "values": [0] * outputs}
    line = prediction(events, **given)
    assert line is not None
    assert len(line) + 1 + 64 <= maximum
    data = checked(line)["data"]
    whole = prediction(PredictionEvents(config({"max_event_bytes": 1 << 20}), clock=clock), **given)
    assert whole is not None
    if len(whole) + 1 + 64 <= maximum:
        assert line == whole
        return
    assert data["truncated"] is True
    assert "inputs" not in data
    without = len(whole) - len(to_json(given["rows"])) - len(b',"inputs":')
    assert ("outputs" in data) == (without + 1 + 64 <= maximum)


def test_feedback_and_access_are_as_the_schema_says() -> None:
    events = OtherEvents(EVENTS, origin=ORIGIN)
    about = answered(
        traceparent=PARENT.encode(), endpoint="/v1/iris/feedback", status=202, seconds=0.00123456
    )
    event = checked(events.feedback(about, clock(), {"label": 1, "score": float("nan")}))
    assert (event["id"], event["type"]) == (ID, "feedback.v1")
    assert event["data"]["feedback"] == {"label": 1, "score": None}
    served = {
        "model": "iris", "version": "4", "specDigest": "cd" * 32, "variant": "canary",
        "endpoint": "/v1/iris/feedback", "status": 202,
    }  # fmt: skip
    assert event["traceparent"] == PARENT
    assert event["data"] == served | {"feedback": {"label": 1, "score": None}}
    event = checked(events.access(about, clock()))
    assert (event["type"], event["data"]) == ("access.v1", served | {"latencyMs": 1.235})
    event = checked(events.feedback(about, clock(), "x" * 20_000))
    assert event["data"]["truncated"] is True
    assert "feedback" not in event["data"]


def test_the_owners_events_have_a_name_and_values() -> None:
    event = checked(OtherEvents(EVENTS).custom(answered(), clock(), "drift", {"psi": 0.1}))
    assert next(iter(event)) == "id"
    assert event["type"] == "custom.v1"
    assert event["data"] == {
        "model": "iris", "version": "4", "variant": "stable", "name": "drift",
        "values": {"psi": 0.1},
    }  # fmt: skip


@dataclass
class Timed:
    """A request that took so long."""

    seconds: float


SERVED = ("iris", "4", "/v1/iris/predict", 200)


def ready(
    events: PredictionEvents,
    rows_json: bytes,
    values_json: bytes,
    seconds: float = 0.00125,
    traceparent: bytes | None = None,
) -> bytes:
    """The event of a prediction whose JSON exists, without its newline."""
    quick = (Timed(seconds), to_json(ID)[1:-1], traceparent, SERVED, rows_json, values_json)
    lines = events.as_json([quick])
    assert lines.endswith(b"\n")
    return lines[:-1]


@pytest.mark.parametrize("seconds", [0.0, 0.00125, 0.0040955, 0.0040965, 1.5, 29.9999996])
@pytest.mark.parametrize("time", [1767323045.0, 1767323045.678, 1767323045.9999])
def test_a_line_of_ready_json_is_the_same_event(time: float, seconds: float) -> None:
    events = PredictionEvents(config(), pins=[Pin("iris", "4", "ab" * 32)], clock=lambda: time)
    inputs, outputs = [[1.5, "é", None]], [{"label": "x"}]
    assert events.takes_json
    # Written with spaces, so that it shows which way was taken.
    rows_json, values_json = json.dumps(inputs).encode(), json.dumps(outputs).encode()
    quick = ready(events, rows_json, values_json, seconds)
    slow = prediction(
        events, endpoint="/v1/iris/predict", seconds=seconds, rows=inputs, values=outputs
    )
    assert rows_json in quick
    assert quick != slow
    told, wanted = checked(quick), checked(slow)
    latency, wanted_latency = (event["data"].pop("latencyMs") for event in (told, wanted))
    assert told == wanted
    assert latency == pytest.approx(wanted_latency, abs=0.001)


def test_lines_of_one_turn_are_lines_of_their_own() -> None:
    events = PredictionEvents(config())
    ids = [f"id-{number:06d}".encode() for number in range(3)]
    turn = [(Timed(0.001), one, None, SERVED, b"[[%d]]" % at, b"[0]") for at, one in enumerate(ids)]
    lines = events.as_json(turn).splitlines()
    assert [checked(line)["id"].encode() for line in lines] == ids
    assert [json.loads(line)["data"]["inputs"] for line in lines] == [[[0]], [[1]], [[2]]]


def test_ready_json_takes_the_long_way_where_something_is_to_be_done() -> None:
    assert not PredictionEvents(config(redact={"email": "hash"})).takes_json
    assert not PredictionEvents(config(sample=0.5)).takes_json
    assert not PredictionEvents(config(outputs=False)).takes_json


def test_ready_json_that_is_short_enough_never_makes_a_line_too_long() -> None:
    """With the longest names that the spec allows around it."""
    for most in (1 << 14, 1 << 20):
        section = {"max_event_bytes": most, "source": "/" + "n" * 63 + "/" + "m" * 63}
        pins = [Pin("m" * 63, "v" * 128, "ab" * 32)]
        events = PredictionEvents(config(section), pins=pins, origin=ORIGIN)
        served = ("m" * 63, "v" * 128, "/" + "p" * 1024 + "/predict", 200)
        rows = b"1" * (events.quick_bytes - 2)
        lines = events.as_json([(Timed(1e6), b"i" * 128, PARENT.encode(), served, rows, b"0")])
        assert len(lines) + 64 <= most


def test_the_time_in_lines_of_ready_json_follows_the_clock() -> None:
    """Which may have been set back meanwhile."""
    clock = [1767323045.9996]
    events = PredictionEvents(config(), clock=lambda: clock[0])

    def told() -> str:
        return str(checked(ready(events, b"[[1]]", b"[0]"))["time"])

    assert told() == "2026-01-02T03:04:05.999Z"
    clock[0] += 0.0003
    assert told() == "2026-01-02T03:04:05.999Z"
    clock[0] += 0.0004
    assert told() == "2026-01-02T03:04:06.000Z"
    clock[0] -= 3600
    assert told() == "2026-01-02T02:04:06.000Z"
