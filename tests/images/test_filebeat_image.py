"""The Filebeat image accepts what is rendered, and has what its preStop calls."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from servestack.manifests import names
from servestack.manifests.log_shipping import build_filebeat_config_map, build_filebeat_container
from tests.images.container import Container
from tests.support.services import resolved

UID = 10001
SECRETS = {
    "memory": names.FILEBEAT_MEMORY_FOLDER,
    "credentials": names.KAFKA_CREDENTIALS_FOLDER,
}
"""The folders that the script writes and reads, in the test's folder and in the container."""


@pytest.fixture
def mounts(tmp_path: Path) -> dict[Path, str]:
    """The rendered ConfigMap, Filebeat's data, and the folder of events."""
    config_map = build_filebeat_config_map(resolved(tmp_path / "project"))
    assert config_map is not None
    folders = {name: tmp_path / name for name in ("config", "data", "events")}
    for folder in folders.values():
        folder.mkdir(mode=0o755)
        shutil.chown(folder, UID, UID)
    for name, text in config_map["data"].items():
        (folders["config"] / name).write_text(text)
    return {
        folders["config"]: names.FILEBEAT_CONFIG_FOLDER,
        folders["data"]: names.FILEBEAT_DATA_FOLDER,
        folders["events"]: names.EVENTS_FOLDER,
    }


def test_it_is_the_version_that_it_is_named_after(filebeat_container: Container) -> None:
    assert "filebeat version 7.17.29" in filebeat_container.run("filebeat", "version").stdout
    config = filebeat_container.config()
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["filebeat"]


def test_the_rendered_configuration_is_accepted(
    filebeat_container: Container, mounts: dict[Path, str]
) -> None:
    test = (
        *("filebeat", "test", "config", "--strict.perms=false"),
        *("-c", f"{names.FILEBEAT_CONFIG_FOLDER}/filebeat.yml"),
    )
    done = filebeat_container.run(*test, mounts=mounts)
    assert done.stdout.strip() == "Config OK", done.stderr


def test_the_drain_script_sees_what_filebeat_has_taken(
    filebeat_container: Container, mounts: dict[Path, str], tmp_path: Path
) -> None:
    """Two files, of which the registry knows one to its end: not drained; then both: drained."""
    for name in ("predictions-1.ndjson", "feedback-1.ndjson"):
        (tmp_path / "events" / name).write_text("0123456789\n")
    (tmp_path / "events/.server-exited").touch()
    registry = tmp_path / "data/registry/filebeat"
    registry.mkdir(parents=True)
    (registry / "log.json").write_text(taken("predictions-1.ndjson"))
    script = f"{names.FILEBEAT_CONFIG_FOLDER}/drain.sh"
    drain = ("sh", script, names.EVENTS_FOLDER, names.FILEBEAT_DATA_FOLDER, "2")
    assert "time is up" in filebeat_container.run(*drain, mounts=mounts).stderr
    with (registry / "log.json").open("a") as stream:
        stream.write(taken("feedback-1.ndjson"))
    done = filebeat_container.run(*drain, mounts=mounts)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_script_hands_the_mounted_password_to_filebeat(
    filebeat_container: Container, mounts: dict[Path, str], tmp_path: Path
) -> None:
    """With the image's own shell and programs, as the pod's user: it writes what Filebeat takes."""
    folders = {tmp_path / name: seen for name, seen in SECRETS.items()}
    for folder in folders:
        folder.mkdir()
        shutil.chown(folder, UID, UID)
    (tmp_path / "credentials/username").write_text("filebeat")
    (tmp_path / "credentials/password").write_text("it's ${HOME}, $1\n")
    service = resolved(tmp_path / "other")
    container = build_filebeat_container(service)
    assert container is not None
    command = ("timeout", "4", *container["command"], *container["args"])
    running = filebeat_container.run(*command, mounts=mounts | folders)
    assert "Exiting:" not in running.stderr
    secrets = f"{names.FILEBEAT_MEMORY_FOLDER}/secrets.yml"
    export = (
        *("filebeat", "export", "config", "--strict.perms=false"),
        *("-c", f"{names.FILEBEAT_CONFIG_FOLDER}/filebeat.yml", "-c", secrets),
    )
    done = filebeat_container.run(*export, mounts=mounts | folders)
    output = yaml.safe_load(done.stdout)["output"]["kafka"]
    assert (output["username"], output["password"]) == ("filebeat", "it's ${HOME}, $1")


def taken(name: str) -> str:
    """What Filebeat's registry writes when it has shipped the eleven bytes of a file."""
    meta = {"source": f"{names.EVENTS_FOLDER}/{name}"}
    entry = {"_key": f"filestream::{name}", "meta": meta, "cursor": {"offset": 11}}
    return json.dumps(entry, separators=(",", ":")) + "\n"
