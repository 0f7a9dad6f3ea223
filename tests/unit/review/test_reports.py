"""What reports make of text that somebody else wrote, and of very much of it."""

from __future__ import annotations

import json

import pytest

from servestack.manifests.manifest import Body
from servestack.review import reports
from servestack.review.summary import review
from tests.unit.review.bodies import config_map, deployment, manifest, reviewed, rules


@pytest.mark.parametrize("count", [1, 300, 3_000])
def test_a_comment_fits_into_github_and_says_what_is_left_out(count: int) -> None:
    new = [manifest(deployment(), f"model-{number}") for number in range(count)]
    text = reports.to_github(review("prod", "nothing", (), new))
    assert len(text) <= reports.GITHUB_LIMIT
    assert text.count("<details>") == text.count("</details>")
    assert ("servestack diff" in text) == (count > 1 and text.count("<details>") < count)
    shown, hidden = text.count("<summary>"), text.partition("the details of ")[2].partition(" ")[0]
    assert shown + int(hidden or 0) == count


def test_one_huge_model_does_not_hide_the_others() -> None:
    huge = {f"key-{number}": "x" for number in range(5_000)}
    old = [manifest(config_map({}), "a"), manifest(config_map({}), "b")]
    new = [manifest(config_map(huge), "a"), manifest(config_map({"k": "v"}), "b")]
    text = reports.to_github(review("prod", "rendered/prod", old, new))
    assert "<summary>b</summary>" in text
    assert "the details of 1 more" in text


HOSTILE = "`\n```\n</details><img src=x> | @everyone **x** \x1b[2J\x9b\r\u2028"


def test_text_of_others_stays_text_in_markdown() -> None:
    old = rules({"alert": "A", "expr": "1", "for": "1m"})
    new = rules({"alert": "A", "expr": HOSTILE, "for": HOSTILE})
    text = reports.to_github(reviewed(old, new))
    row = next(line for line in text.splitlines() if line.startswith("| iris"))
    for markup in ("<img", "@everyone", "**x**", " | @"):
        assert markup not in row
    assert text.count("```") == 2
    assert text.replace("\n", "").isprintable()


def test_a_column_of_any_name_stays_text_in_the_first_lines() -> None:
    def logged(redact: dict[str, str]) -> Body:
        events = {"events": {"predictions": {"redact": redact}}}
        return config_map({"service.json": json.dumps(events)})

    result = reviewed(logged({HOSTILE: "hash"}), logged({}))
    comment = reports.to_github(result)
    alert = comment.partition("> [!CAUTION]")[2].partition("| model")[0]
    assert "is logged in clear text" in alert
    for markup in ("<img", "@everyone", "**x**", "```"):
        assert markup not in alert
    assert comment.replace("\n", "").isprintable()
    first = reports.to_text(result).splitlines()[0]
    assert first.startswith("security: iris: ")
    assert first.endswith(" is logged in clear text")


def test_a_comment_that_is_all_security_fits_as_well() -> None:
    keys = {"service.json": json.dumps({"apiKeys": {"file": "a", "header": "b"}})}
    old = [manifest(config_map(keys), f"model-{number}") for number in range(3_000)]
    new = [manifest(config_map({"service.json": "{}"}), m.group) for m in old]
    text = reports.to_github(review("prod", "nothing", old, new))
    assert len(text) <= reports.GITHUB_LIMIT
    shown = text.partition("| model")[0].count("no API key is asked for any more\n")
    hidden = int(text.partition("> - …and ")[2].partition(" ")[0])
    assert shown + hidden == 3_000
    assert "| model | objects | effect |" in text


def test_a_terminal_is_not_obeyed() -> None:
    text = reports.to_text(reviewed(config_map({"a": "x"}), config_map({"a": HOSTILE})))
    assert text.replace("\n", "").isprintable()
    assert "\\x1b[2J" in text


def test_what_appears_and_goes_says_its_effect() -> None:
    assert "+ Deployment/iris  (the model starts to serve)" in reports.to_github(
        reviewed(None, deployment())
    )
    assert "### prod: 1 object changes" in reports.to_github(reviewed(None, deployment()))
