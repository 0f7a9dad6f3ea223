"""Our server as its image holds it: native or compiled, with the prediction log or without."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.performance.serving.contender import Contender, Order, Rows
from tests.performance.serving.process import Launch
from tests.performance.serving.train import TrainedModel
from tests.performance.serving.venvs import PeerFailedError, image_venv

BAKE_SECONDS = 300
NATIVE, COMPILED = "servestack, scikit-learn", "servestack, compiled"
WITHOUT_LOG, BUFFERED = ", no log", ", buffered log"
"""Suffixes of the names. Without one, an event is written before its answer."""


def our_contenders(models: dict[str, TrainedModel], folder: Path) -> dict[str, Contender]:
    """By name: each runtime with both kinds of log and without. PeerFailedError if none starts."""
    venv = image_venv()
    for model in models.values():
        _bake(venv, model, folder)
    return {
        f"{name}{suffix}": _contender(f"{name}{suffix}", venv, runtime, durability)
        for name, runtime in ((NATIVE, "native"), (COMPILED, "auto"))
        for suffix, durability in (("", "process"), (BUFFERED, "buffered"), (WITHOUT_LOG, ""))
    }


def drift_contenders(models: dict[str, TrainedModel], folder: Path) -> dict[str, Contender]:
    """The compiled server with the log, counting for drift (`on`) and not (`off`), by a profile of
    the rows that it is asked."""
    import servestack

    venv = image_venv()
    for model in models.values():
        _bake(venv, model, folder)
        servestack.profile(model.rows, model.classes).save(model.mlflow)
    return {
        name: _contender(f"{COMPILED}, drift {name}", venv, "auto", "process", drift=name == "on")
        for name in ("on", "off")
    }


def events_written(folder: Path) -> int:
    """Prediction events in the files of a server that has ended."""
    return sum(
        file.read_bytes().count(b"\n") for file in events_folder(folder).rglob("*predictions*")
    )


def events_folder(folder: Path) -> Path:
    return folder / "events"


def _contender(
    name: str, venv: Path, runtime: str, durability: str, *, drift: bool = False
) -> Contender:
    def launch(order: Order) -> Launch:
        config = order.folder / "service.json"
        service = _service(order.model, order.folder, runtime, durability)
        config.write_text(json.dumps(service | {"metrics": {"drift": drift}}))
        events_folder(order.folder).mkdir(exist_ok=True)
        command = [_program(venv), "serve", f"--config={config}", "--host=127.0.0.1"]
        command += [f"--port={order.port}", f"--model={order.model.name}=1"]
        return Launch(command, order.folder, {}, order.port, "/readyz")

    return Contender(name, "ours", launch, "/v1/{model}/predict", _rows, _predictions)


def _service(model: TrainedModel, folder: Path, runtime: str, durability: str) -> dict[str, Any]:
    """The settings file, as it is rendered for a service; disk for any number of events.

    Without a durability nothing is logged.
    """
    names = [f"x{number}" for number in range(model.features)]
    service: dict[str, Any] = {
        "name": model.name,
        "basePath": f"/v1/{model.name}",
        "models": [{"name": model.name, "path": str(model.mlflow)}],
        "runtime": runtime,
        "trust": {"pickle": False, "skopsTypes": model.trusted},
        "input": {
            "columns": [{"name": name, "type": "double"} for name in names],
            "example": model.rows[:1],
        },
        "batching": {"maxBatchSize": 64, "maxLatencyMs": 5.0},
    }
    if durability:
        service["events"] = {
            "folder": str(events_folder(folder)),
            "source": f"/models/{model.name}",
            "kinds": ["predictions", "feedback"],
            "diskBudgetBytes": 64 << 30,
            "durability": durability,
            "predictions": {"sample": 1.0, "inputs": True, "outputs": True},
        }
    return service


def _bake(venv: Path, model: TrainedModel, folder: Path) -> None:
    config = folder / f"bake-{model.name}.json"
    config.write_text(json.dumps(_service(model, folder, "auto", "")))
    try:
        subprocess.run(
            [_program(venv), "bake", f"--config={config}"],
            check=True,
            capture_output=True,
            text=True,
            timeout=BAKE_SECONDS,
        )
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or ["no message"]
        raise PeerFailedError(f"servestack-server bake: {lines[-1]}") from None
    except (subprocess.TimeoutExpired, OSError) as error:
        raise PeerFailedError(f"servestack-server bake: {error}") from None


def plan_folder(model: TrainedModel) -> Path:
    """Where `servestack-server bake` puts the compiled model."""
    return Path(f"{model.mlflow}.baked")


def _program(venv: Path) -> str:
    return str(venv / "bin/servestack-server")


def _rows(rows: Rows) -> object:
    return rows


def _predictions(answer: Any) -> list[int]:
    return [int(value) for value in answer["predictions"]]
