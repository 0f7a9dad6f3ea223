"""Pulumi's failures in our words."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from servestack.apply.events import Events
from servestack.apply.failures import problems_of


def event(message: str, name: str = "", severity: str = "error") -> SimpleNamespace:
    urn = f"urn:pulumi:prod::servestack::a:b:C$kubernetes:apps/v1:Deployment::{name}"
    said = SimpleNamespace(severity=severity, urn=urn if name else None, message=message)
    return SimpleNamespace(diagnostic_event=said)


def told(*events: SimpleNamespace) -> list[str]:
    kept = Events()
    for one in events:
        kept.take(one)
    return [str(problem) for problem in problems_of("code: 255\nstderr: error: more", kept.errors)]


def test_the_failing_resource_and_its_reason() -> None:
    reason = 'deployments.apps "iris" is forbidden: exceeded quota'
    said = told(
        event("downloading", severity="warning"),
        SimpleNamespace(diagnostic_event=None),
        event(f"<{{%reset%}}>{reason}<{{%reset%}}>\n", "iris/deployment-iris"),
        event("update failed", "servestack-prod"),
        event("cannot complete a resource 'urn' whose registration isn't pending", "iris"),
    )
    assert said == [f"SRV517 iris/deployment-iris: {reason}"]


def test_no_failure_shows_a_secret() -> None:
    said = told(event('env[0].value: Invalid value: "redis://:hunter2hunter2@redis"', "iris/x"))
    assert said == ['SRV517 iris/x: env[0].value: Invalid value: "redis://(masked)@redis"']


def test_each_failing_resource_is_told_once() -> None:
    first, second = event("no", "iris/service-iris"), event("no", "more/service-more")
    assert told(first, second, first) == [
        "SRV517 iris/service-iris: no",
        "SRV517 more/service-more: no",
    ]


@pytest.mark.parametrize(
    ("message", "id", "words"),
    [
        (
            "Could not automatically download and install resource plugin 'kubernetes', install"
            " the plugin using `pulumi plugin install resource kubernetes v4.34.2`",
            "SRV514",
            "run `pulumi plugin install resource kubernetes v4.34.2`",
        ),
        (
            "configured Kubernetes cluster is unreachable: context 'prod' does not exist",
            "SRV515",
            "context 'prod' does not exist",
        ),
        ("dial tcp 127.0.0.1:6443: connect: connection refused", "SRV515", "127.0.0.1:6443"),
    ],
)
def test_known_causes_have_their_hint(message: str, id: str, words: str) -> None:
    (said,) = told(event(message, "iris/service-iris"))
    assert said.startswith(id)
    assert words in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\n code: 255\n stdout: \n stderr: x\nerror: PULUMI_ACCESS_TOKEN must be set", "SRV512"),
        ("error: passphrase must be set with PULUMI_CONFIG_PASSPHRASE", "SRV513"),
        ("error: getting secrets manager: incorrect passphrase", "SRV513"),
        ("error: no project file\nerror: no project file", "SRV517 no project file"),
        ("\nMinimum version requirement failed.\n", "SRV517 Minimum version requirement failed."),
        ("", "SRV517 Pulumi failed without a message"),
    ],
)
def test_before_the_engine_runs_its_text_is_all_there_is(text: str, said: str) -> None:
    (problem,) = problems_of(text, [])
    assert str(problem).startswith(said)
