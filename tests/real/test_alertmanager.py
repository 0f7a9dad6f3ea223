"""The routing of docs/how-to/route-alerts.md, asked of Alertmanager's own tool as the page says."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.real.test_alerts import documented_config
from tests.support.projects import REPOSITORY
from tests.support.tools import installed

PAGE = REPOSITORY / "docs/how-to/route-alerts.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "alertmanager.yml").write_text(yaml.safe_dump(documented_config()))
    return tmp_path


def amtool(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [installed("amtool"), *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_commands_of_the_page_say_what_it_says(folder: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    typed = [shlex.split(line)[1:] for line in re.findall(r"^amtool .+$", page, re.MULTILINE)]
    check, page_route, ticket_route = (amtool(folder, *arguments) for arguments in typed)
    assert "SUCCESS" in check
    assert "1 inhibit rules" in check
    said = re.search(r"The second command prints `([\w-]+)`, the third `([\w-]+)`", page)
    assert said is not None
    assert (page_route.strip(), ticket_route.strip()) == said.groups()


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ({"model_service": "iris", "severity": "page", "owner": "unowned"}, "on-call"),
        ({"model_service": "iris", "severity": "ticket", "owner": "unowned"}, "model-tickets"),
        ({"model_service": "iris", "severity": "ticket", "owner": "growth-ml"}, "growth-ml"),
        ({"alertname": "KubeNodeNotReady", "severity": "page"}, "platform"),
    ],
)
def test_an_alert_goes_to_one_receiver(folder: Path, labels: dict[str, str], receiver: str) -> None:
    pairs = [f"{name}={value}" for name, value in labels.items()]
    route = ("config", "routes", "test", "--config.file=alertmanager.yml")
    assert amtool(folder, *route, *pairs).strip() == receiver


def test_a_configuration_with_a_mistake_is_refused(folder: Path) -> None:
    file = folder / "alertmanager.yml"
    file.write_text(file.read_text().replace("receiver: on-call", "receiver: nobody"))
    with pytest.raises(AssertionError, match="nobody"):
        amtool(folder, "check-config", "alertmanager.yml")
