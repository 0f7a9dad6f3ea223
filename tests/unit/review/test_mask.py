"""No report shows a secret, wherever it stands; that it changed stays visible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servestack.manifests.manifest import Body
from servestack.review import reports
from servestack.review.mask import masked
from servestack.secrets.search import MASK
from tests.unit.review.bodies import config_map, deployment, reviewed, secret

KEY = "-----BEGIN PRIVATE KEY-----\n{}\nMORE\n-----END PRIVATE KEY-----\n"
PLACES: dict[str, Callable[[str], Body]] = {
    "a Secret": lambda value: secret({"key": value}),
    "a copy in a Secret's annotation": lambda value: secret({}, annotations={"last": value}),
    "a variable": lambda value: deployment(env=[{"name": "DB_PASSWORD", "value": value}]),
    "a key of a ConfigMap": lambda value: config_map({"password": value}),
    "lines below a key": lambda value: config_map({"api-key": f"x\n{value}\ny"}),
    "an annotation": lambda value: config_map({}, annotations={"example.com/token": value}),
    "YAML": lambda value: config_map({"a.yml": f"kafka:\n  password: {value}\n"}),
    "deep YAML": lambda value: config_map({"a.yml": f"credentials: {{a: [{value}]}}\n"}),
    "a line of text": lambda value: config_map({"a.properties": f"a=1\ndb.password = {value} z"}),
    "text that assigns twice": lambda value: config_map({"a": f"url=x password={value}"}),
    "quoted text": lambda value: config_map({"a": f'jaas "password":"{value}\\" {value}", b'}),
    "an argument": lambda value: deployment(args=["--set=password=" + value]),
    "a command": lambda value: deployment(command=["sh", "-c", f"TOKEN={value} run"]),
    "an address": lambda value: deployment(env=[{"name": "A", "value": f"x://me:{value}@host/"}]),
    "a private key": lambda value: config_map({"tls.txt": KEY.format(value)}),
}


def every_report(old: Body | None, new: Body | None) -> list[str]:
    result = reviewed(old, new)
    return [reports.to_text(result), reports.to_json(result), reports.to_github(result)]


def without(body: Body) -> Body:
    """The same object, its secret's whole holder taken away."""
    bare = {key: value for key, value in body.items() if key in ("apiVersion", "kind")}
    return bare | {"metadata": {"name": body["metadata"]["name"]}}


@pytest.mark.parametrize("place", PLACES)
def test_no_report_shows_it(place: str) -> None:
    make = PLACES[place]
    old, new = make("hunter2hunter2"), make("hunter3hunter3")
    for text in every_report(old, new):
        assert "hunter" not in text
        assert MASK in text
        assert "changed" in text
    for before, after in ((None, new), (old, None), (without(old), new), (old, without(new))):
        for text in every_report(before, after):
            assert "hunter" not in text


@given(st.sampled_from(sorted(PLACES)), st.from_regex(r"Q[A-Za-z0-9+]{8,20}Q", fullmatch=True))
def test_no_report_shows_any(place: str, value: str) -> None:
    for text in every_report(PLACES[place]("hunter2hunter2"), PLACES[place](value)):
        assert value not in text


@pytest.mark.parametrize(
    "value",
    [
        {"valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}, "name": "DB_PASSWORD"},
        {"name": "DB_PASSWORD", "value": "$(FROM_ELSEWHERE)"},
        {"password": "${KAFKA_PASSWORD}"},
        {"volumes": [{"name": "a", "secret": {"secretName": "iris-api-keys"}}]},
        {"automountServiceAccountToken": False},
        {"file": "/etc/servestack-api-keys/keys", "header": "X-API-Key"},
        "password: ${KAFKA_PASSWORD}",
        "http://host:8080/path",
        "sum(rate(x{a='b'}[5m])) > 14.4 * 0.001",
        "--model=iris=4#sha256=" + "ab" * 32,
        ["a", 1, 1.5, None, True],
    ],
)
def test_what_names_a_secret_stays_readable(value: Any) -> None:
    assert masked(value) == value


def test_a_secret_within_a_value_is_masked_too() -> None:
    manifest = {"kind": "Secret", "metadata": {"name": "a"}, "data": {"a": "aHVudGVy"}}
    assert masked([manifest]) == [manifest | {"data": MASK}]


def test_an_address_stays_readable_but_for_its_password() -> None:
    text, *_ = every_report(PLACES["an address"]("one"), PLACES["an address"]("two"))
    assert f"x://{MASK}@host/ → x://{MASK}@host/ changed" in text


def test_long_text_is_masked_in_time_that_grows_with_its_length() -> None:
    assert masked("a" * 2_000_000) == "a" * 2_000_000
    assert masked("a=" * 200_000) == "a=" * 200_000
