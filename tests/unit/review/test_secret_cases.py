"""Secrets from the spec to every report: refused, never shown, and what is none is let through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from servestack.errors import ServestackError, SpecError
from servestack.manifests.assemble import build_service_manifests
from servestack.resolve.lock import Lock, LockedArtifact, read_lock, write_lock
from servestack.resolve.resolved import ResolvedService
from servestack.review import reports
from servestack.review.findings import find
from servestack.review.summary import review
from servestack.secrets.search import MASK
from tests.support.services import ARTIFACT, load_settings, load_spec, resolved

WORD = "hunter2-hunter2"


def variable(name: str, value: str, **more: Any) -> dict[str, Any]:
    return {"env": [{"name": name, "value": value, **more}]}


REFUSED: dict[str, dict[str, Any]] = {
    "secret-empty-user": variable("REDIS_URL", f"redis://:{WORD}@redis:6379/0"),
    "secret-account-key": variable(
        "STORAGE",
        "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=hunter2-hunter2uvwxyz0123456789==",
    ),
    "a name": variable("DB_PASSWORD", WORD),
    "a name and a form": variable("DATADOG_THING", "9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f0a"),
    "annotations": {"annotations": {"example.com/token": WORD}},
    "labels": {"labels": {"password": WORD}},
    "description": {"description": f"Ask postgres://me:{WORD}@db for more."},
    "ingress annotations": {"ingress": {"annotations": {"example.com/auth": f"Bearer {WORD}"}}},
    "an example": {"api": {"input": {"columns": [{"name": "a", "type": "string"}],
                                     "example": [[f"--token={WORD}"]]}}},
    "an artifact": {"artifact": f"https://me:{WORD}@models.example.com/iris.onnx"},
    "a graph": {"artifact": None, "models": [{"name": "a", "artifact": "models:/a/1"}],
                "graph": {"kind": "router", "column": "x", "otherwise": "a",
                          "cases": [{"equals": f"postgres://:{WORD}@db", "node": "a"}]}},
    "a column's words": {"api": {"input": {"columns": [
        {"name": "a", "type": "string", "description": f"password={WORD}"}]}}},
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_and_never_repeated(case: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="SRV107") as caught:
        load_spec(tmp_path, **REFUSED[case])
    assert "hunter2" not in str(caught.value)
    assert all(problem.location and problem.location.line for problem in caught.value.problems)


@pytest.mark.parametrize("layer", ["defaults", "overrides"])
@pytest.mark.parametrize("case", ["secret-empty-user", "a name", "annotations", "description"])
def test_refused_in_an_environment(layer: str, case: str, tmp_path: Path) -> None:
    body = REFUSED[case] if layer == "defaults" else {"iris": REFUSED[case]}
    with pytest.raises(SpecError, match="SRV107") as caught:
        load_settings(tmp_path, **{layer: body})
    assert "hunter2" not in str(caught.value)
    assert [problem.id for problem in caught.value.problems] == ["SRV107"]


ACCEPTED = {
    "not-a-secret-path": ("GOOGLE_APPLICATION_CREDENTIALS", "/var/secrets/key.json"),
    "not-a-secret-number": ("MAX_TOKEN_LENGTH", "512"),
    "not-a-secret-url": ("TOKEN_URL", "https://login.example.com/oauth"),
    "a number under such a name": ("TOKENS", "512"),
    "a truth value": ("USE_PASSWORD", "true"),
    "nothing": ("DB_PASSWORD", ""),
    "a reference": ("DB_PASSWORD", "$(DB_PASSWORD_FROM_ELSEWHERE)"),
    "an address under such a name": ("SECRET", "https://vault.example.com/v1/secret/data/iris"),
    "a digest": ("IMAGE", "sha256:" + "ab" * 32),
    "a run": ("RUN", "0123456789abcdef0123456789abcdef"),
    "a role": ("ROLE", "arn:aws:iam::111122223333:role/iris"),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted_rendered_and_shown(case: str, tmp_path: Path) -> None:
    name, value = ACCEPTED[case]
    service = resolved(tmp_path, variable(name, value))
    assert ids(service, tmp_path).isdisjoint({"SRV107", "SRV607"})
    for text in every_report(resolved(tmp_path / "old"), service):
        assert value[-40:] in text
        assert MASK not in text


def ids(service: ResolvedService, folder: Path) -> set[str]:
    settings = load_settings(folder)
    return {f.id for f in find([service], build_service_manifests(service), settings.document)}


def every_report(old: ResolvedService, new: ResolvedService) -> list[str]:
    was, now = build_service_manifests(old), build_service_manifests(new)
    result = review("prod", "rendered/prod", was, now)
    return [reports.to_text(result), reports.to_json(result), reports.to_github(result)]


@pytest.mark.parametrize("value", [WORD, f"redis://:{WORD}@redis"])
def test_what_is_vouched_for_is_accepted_and_told(value: str, tmp_path: Path) -> None:
    service = resolved(tmp_path, variable("DB_PASSWORD", value, public=True))
    assert ids(service, tmp_path).isdisjoint({"SRV107", "SRV607"})
    for text in every_report(resolved(tmp_path / "old"), service):
        assert value in text
        assert "servestack.dev/public-variables" in text
        assert "their owner says that they are no secrets" in text


def test_a_vouched_value_does_not_show_the_secret_that_stood_there(tmp_path: Path) -> None:
    public = resolved(tmp_path, variable("DB_PASSWORD", WORD, public=True))
    manifests = build_service_manifests(public)
    old = resolved(tmp_path / "old", variable("DB_PASSWORD", "x-secret", public=True))
    before = build_service_manifests(old)
    for manifest in before:
        manifest.body["metadata"].get("annotations", {}).pop("servestack.dev/public-variables", 0)
    text = reports.to_text(review("prod", "rendered/prod", before, manifests))
    assert "x-secret" not in text
    assert WORD in text


def test_nothing_to_vouch_for(tmp_path: Path) -> None:
    reference = {"name": "A", "valueFrom": {"secret": "a", "key": "b"}, "public": True}
    with pytest.raises(SpecError, match=r"SRV148 env\[0\]\.public"):
        load_spec(tmp_path, env=[reference])


IN_PLACE_OF_SOMETHING_ELSE: dict[str, dict[str, Any]] = {
    "secret-in-error": {"kafka": {"security": {"credentials": WORD}}},
    "security": {"kafka": {"security": WORD}},
    "the name of a Secret": {"kafka": {"security": {"credentials": {"secret": f"{WORD}!"}}}},
    "a key": {"kafka": {"security": {"ca": {"secret": "a", "key": f"{WORD} x"}}}},
    "fetch": {"fetch": {"secret": f"{WORD} x"}},
    "pull secrets": {"images": {"pullSecrets": [f"{WORD}!"]}},
    "a broker": {"kafka": {"brokers": [f"me:{WORD}@kafka:9093"]}},
    "a broker without port": {"kafka": {"brokers": [f"me:{WORD}@kafka"]}},
    "a guard rail": {"guardRails": {"minReplicas": f"--token={WORD}"}},
    "a choice": {"podSecurity": f"password={WORD}"},
}


@pytest.mark.parametrize("case", IN_PLACE_OF_SOMETHING_ELSE)
def test_no_error_repeats_it(case: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load_settings(tmp_path, **IN_PLACE_OF_SOMETHING_ELSE[case])
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"env": [f"DB_PASSWORD={WORD}"]},
        {"env": [WORD]},
        {"env": [{"name": "A", "value": [WORD]}]},
        {"env": [{"name": "A", "valueFrom": WORD}]},
        {"env": [{"name": "A", "valueFrom": {"secret": "a", "key": f"{WORD} !"}}]},
        {"env": [{"name": "A", "value": 20_25_11_30}]},
        {"api": {"auth": WORD}},
        {"api": {"auth": {"apiKeys": [WORD]}}},
        {"labels": {"password": f"{WORD}!!"}},
        {"api": {"params": [{"name": "token", "type": "double", "default": WORD}]}},
        {"api": {"input": {"columns": [{"name": "password", "type": "double"}],
                           "example": [[WORD]]}}},
        {"replicas": f"password={WORD}"},
        {"resources": {"cpu": f"postgres://:{WORD}@db"}},
    ],
)  # fmt: skip
def test_no_error_of_a_spec_repeats_it(fields: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ServestackError) as caught:
        load_spec(tmp_path, **fields)
    assert "hunter2" not in str(caught.value)
    assert "20251130" not in str(caught.value)


def test_a_lock_with_a_secret_is_neither_written_nor_read(tmp_path: Path) -> None:
    source = f"https://me:{WORD}@models.example.com/iris"
    clean = LockedArtifact(uri="models:/iris@production", **ARTIFACT)
    file = tmp_path / "prod.lock.yaml"
    write_lock(file, Lock("prod", {"iris": {"iris": clean}}))
    text = file.read_text()
    broken = LockedArtifact(uri=clean.uri, **ARTIFACT | {"source": source})
    with pytest.raises(SpecError, match="SRV107 source"):
        write_lock(file, Lock("prod", {"iris": {"iris": broken}}))
    assert file.read_text() == text
    file.write_text(text.replace("s3://models/iris/3", source))
    with pytest.raises(SpecError, match="7: SRV107 source") as caught:
        read_lock(file, "prod")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("section", ["sidecars", "initContainers"])
def test_further_containers_are_held_to_the_same(section: str, tmp_path: Path) -> None:
    image = {"repository": "registry.example.com/proxy", "tag": "1"}
    container = {"name": "proxy", "image": image}
    with pytest.raises(SpecError, match=rf"SRV107 {section}\[0\]\.env\[0\]\.value"):
        load_spec(tmp_path, **{section: [container | variable("DB_PASSWORD", WORD)]})
    public = {section: [container | variable("DB_PASSWORD", WORD, public=True)]}
    service = resolved(tmp_path, public)
    assert ids(service, tmp_path).isdisjoint({"SRV107", "SRV607"})
    for text in every_report(resolved(tmp_path / "old"), service):
        assert "servestack.dev/public-variables" in text
