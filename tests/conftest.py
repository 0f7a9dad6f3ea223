"""Fixtures that several folders of tests share: projects on disk, the engine and its cluster."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.folder_scheduling import LAST, FolderScheduling
from tests.support.projects import REPOSITORY

if TYPE_CHECKING:
    from xdist.remote import Producer

    from tests.support.apiserver import ApiServer
    from tests.support.mlflow_server import MlflowServer


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of this repository's models and environments, to change at will."""
    root = tmp_path / "project"
    for folder in ("models", "stacks"):
        shutil.copytree(REPOSITORY / folder, root / folder)
    shutil.copy(REPOSITORY / "Pulumi.yaml", root)
    return root


@pytest.fixture(scope="session")
def apiserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A real Kubernetes API for the whole session."""
    from tests.support.apiserver import running_apiserver

    with running_apiserver(tmp_path_factory.mktemp("apiserver")) as server:
        yield server


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A real MLflow server with `iris` registered: versions 1 and 2, alias production on 1."""
    from tests.support.mlflow_server import register_iris, running_mlflow

    with running_mlflow(tmp_path_factory.mktemp("mlflow")) as server:
        register_iris(server.uri, regularization=1000)
        register_iris(server.uri, regularization=1)
        yield server


@pytest.fixture(autouse=True, scope="module")
def mlflow_is_left_as_it_was() -> Iterator[None]:
    """What a module tells MLflow's client must not reach the modules after it."""
    from tests.support.mlflow_server import where_mlflow_asks

    before = where_mlflow_asks()
    yield
    assert where_mlflow_asks() == before


@pytest.fixture(scope="session")
def pulumi_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Pulumi's CLI on PATH, and a kubernetes provider: the official one where it is installed."""
    from tests.support.pulumi_settings import pulumi_settings

    with (
        pulumi_settings(tmp_path_factory.mktemp("pulumi")) as values,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in values.items():
            patch.setenv(name, value)
        yield values


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write the golden files anew; then review them"
    )
    parser.addoption(
        "--cluster", default="auto", choices=["auto", "kind", "current"],
        help="where the tests of a whole cluster run; auto: kind, on Docker or else on podman as root",
    )  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The order in which FolderScheduling shares the tests out."""
    items.sort(key=lambda item: item.nodeid.startswith(LAST))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FolderScheduling:
    """Where workers share the work (`make test`), a folder's tests go to one, with its fixtures."""
    return FolderScheduling(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests have measured (`record_property`), and on which cluster: a skipped one must not
    look like a passed one."""
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    told = dict(entry for report in reports for entry in report.user_properties)
    terminalreporter.section("measured")
    for name, value in ({"whole cluster": "none"} | told).items():
        terminalreporter.write_line(f"{name}: {value}")
