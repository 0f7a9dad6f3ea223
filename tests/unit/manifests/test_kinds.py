"""The table of kinds holds whatever the builders make."""

from __future__ import annotations

import pytest

from servestack.manifests.kinds import KINDS, Resource
from servestack.manifests.manifest import Manifest
from servestack.project import build_environment, environment_names
from servestack.review.validate import load_schema
from tests.support.projects import PROJECTS


def manifests() -> list[Manifest]:
    return [
        manifest
        for root in PROJECTS
        for environment in environment_names(root)
        for manifest in build_environment(root, environment).manifests
    ]


def test_every_declared_kind_is_known() -> None:
    used = {(manifest.api_version, manifest.kind) for manifest in manifests()}
    assert used <= KINDS.keys()


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_every_kind_has_its_version_of_the_bundled_schemas(kind: Resource) -> None:
    schema = load_schema(kind.name)
    assert schema is not None
    assert schema["properties"]["apiVersion"]["const"] == kind.api_version


def test_path_of_a_group_and_of_the_core() -> None:
    deployment, service = KINDS["apps/v1", "Deployment"], KINDS["v1", "Service"]
    assert deployment.path("a", "b") == "/apis/apps/v1/namespaces/a/deployments/b"
    assert service.path("a") == "/api/v1/namespaces/a/services"
    assert KINDS["v1", "Namespace"].path("", "a") == "/api/v1/namespaces/a"
