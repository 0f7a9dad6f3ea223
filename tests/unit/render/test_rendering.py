"""An environment rendered by several processes is the one that a single process renders."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from servestack import cores, rendering
from servestack.errors import ResolveError
from servestack.manifests.assemble import build_service_manifests
from servestack.manifests.manifest import Manifest
from servestack.render.tree import to_texts
from servestack.rendering import render_checked
from servestack.review.gate import build_checked
from tests.support.projects import REPOSITORY

SEVERAL = REPOSITORY / "examples/several"


@pytest.fixture
def a_process_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "_cores", lambda: 8)
    monkeypatch.setattr(rendering, "in_parts", partial(cores.in_parts, least=1))


@pytest.mark.parametrize(("project", "environment"), [(REPOSITORY, "prod"), (SEVERAL, "staging")])
def test_the_files_are_the_same_in_the_same_order(
    project: Path, environment: str, a_process_each: None
) -> None:
    _, texts = render_checked(project, environment)
    whole = to_texts(build_checked(project, environment).manifests)
    assert list(texts.items()) == list(whole.items())


def test_findings_of_all_processes_are_told(
    a_process_each: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each model's own, and a name that two models of different processes share."""

    def share_a_name(service: object) -> list[Manifest]:
        made = build(service)  # type: ignore[arg-type]
        for manifest in made:
            if manifest.kind == "Service":
                manifest.body["metadata"]["name"] = "shared"
            if manifest.kind == "Deployment":
                manifest.body["spec"]["replicas"] = "many"
        return made

    build = build_service_manifests
    monkeypatch.setattr(rendering, "build_service_manifests", share_a_name)
    with pytest.raises(ResolveError) as caught:
        render_checked(SEVERAL, "staging")
    told = [problem.id for problem in caught.value.problems]
    assert told.count("SRV501") == 2
    assert told.count("SRV502") == 1
