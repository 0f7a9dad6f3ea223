"""`servestack serve`: a spec's model on this machine, in the server that pods run."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from servestack.errors import Problem, ServeError, ServestackError, SpecError
from servestack.local.settings import ServeOptions, local_settings, models_folder
from servestack.manifests.server_settings import (
    fetch_argument,
    is_in_image,
    serve_argument,
    settings_text,
)
from servestack.project import Inputs, chosen_environments, load_around
from servestack.resolve.lock import Lock
from servestack.resolve.lock_requests import lock_requests, registries
from servestack.resolve.locking import lock_artifacts
from servestack.resolve.mlflow_address import from_folder
from servestack.resolve.resolved import ResolvedService
from servestack.resolve.service import resolve_service
from servestack.spec.load import Loaded
from servestack.spec.model_files import load_model_files
from servestack.spec.model_service import ModelService
from servestack_contract.settings import FILE

_SERVER = "servestack_server"
_PREFERRED_ENVIRONMENT = "dev"
_READY_POLL_SECONDS = 0.05


Say = Callable[[str], None]


def serve(
    root: Path, spec: str, environment: str | None, options: ServeOptions, *, say: Say, write: Say
) -> int:
    """Fetch the locked artifacts, serve them, and `write` the address of the Swagger page.

    `spec` is a model's name or its file, `environment` None for the default one; `say` takes
    progress messages. Returns the server's exit code. Raises ServestackError if the server is not
    installed or the model cannot be resolved, SystemExit if an artifact cannot be fetched.
    """
    if find_spec(_SERVER) is None:
        raise ServeError(
            Problem(
                "SRV521",
                "the model server is not installed",
                hint="pip install 'servestack[serve]'",
            )
        )
    name = environment or _default_environment(root)
    # What is wrong with other models does not matter here.
    inputs = load_around(root, name, load_model_files(root))
    if inputs.lock_problems:
        raise SpecError(inputs.lock_problems)
    service = _resolved(inputs, _chosen(inputs, spec), say)
    if service.spec.api.auth is not None and options.api_keys is None:
        say("the server asks for no API key here; --api-keys FILE makes it ask")
    with tempfile.TemporaryDirectory(prefix="servestack-") as folder:
        config = Path(folder) / FILE
        config.write_text(settings_text(local_settings(service, options)), encoding="utf-8")
        _fetch(service, config, root, inputs)
        with _running(service, config, options) as process:
            if _wait_until_ready(process, options):
                _announce(service, options, say, write)
            return process.wait()


def _default_environment(root: Path) -> str:
    names = chosen_environments(root, None)
    return _PREFERRED_ENVIRONMENT if _PREFERRED_ENVIRONMENT in names else names[0]


def _chosen(inputs: Inputs, spec: str) -> Loaded[ModelService]:
    """The spec of that name or in that file."""
    file = Path(spec).resolve()
    for loaded in inputs.specs:
        if spec == loaded.value.name or (inputs.root / loaded.document.file).resolve() == file:
            return loaded
    for broken in inputs.files.broken:
        if (
            spec == (broken.name or broken.file.stem)
            or (inputs.root / broken.file).resolve() == file
        ):
            raise SpecError(broken.problems)
    names = ", ".join(loaded.value.name for loaded in inputs.specs)
    raise SpecError(
        Problem("SRV202", f"there is no model or file {spec!r}", hint=f"models: {names}")
    )


def _resolved(inputs: Inputs, spec: Loaded[ModelService], say: Say) -> ResolvedService:
    """Resolve from the lock; ask the registry for what is not locked, without writing the lock."""
    name = inputs.environment.value.name
    try:
        return resolve_service(spec, inputs.environment, inputs.lock)
    except ServestackError as error:
        if any(problem.id != "SRV201" for problem in error.problems):
            raise
    say(f"{spec.value.name} is not locked in {name}: asking the registry")
    requests = lock_requests(spec, inputs.environment)
    asked = registries(inputs.environment.value, inputs.root)
    report = lock_artifacts(requests, Lock(name), asked)
    return resolve_service(spec, inputs.environment, report.lock)


def _fetch(service: ResolvedService, config: Path, root: Path, inputs: Inputs) -> None:
    arguments = [fetch_argument(model) for model in service.models if not is_in_image(model)]
    environment = dict(os.environ)
    mlflow = inputs.environment.value.mlflow
    if mlflow is not None:
        environment.setdefault("MLFLOW_TRACKING_URI", from_folder(mlflow.tracking_uri, root))
    into = f"--into={models_folder(service)}"
    verb = ["fetch", into, *arguments] if arguments else ["bake"]
    command = _server(*verb, f"--config={config}")
    done = subprocess.run(command, env=environment, cwd=root, check=False)
    if done.returncode:
        # The server has printed what is wrong on the same stderr.
        raise SystemExit(done.returncode)


def _server(*arguments: str) -> list[str]:
    return [sys.executable, "-m", _SERVER, *arguments]


@contextmanager
def _running(
    service: ResolvedService, config: Path, options: ServeOptions
) -> Iterator[subprocess.Popen[bytes]]:
    pins = [serve_argument(model) for model in service.models]
    command = _server("serve", f"--config={config}", f"--host={options.host}", *pins)
    process = subprocess.Popen(command, env=os.environ | {"SERVESTACK_LOG_LEVEL": _log_level()})
    # The terminal sends Ctrl-C to both; the server decides when it is done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: process.terminate())
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()


def _log_level() -> str:
    return os.environ.get("SERVESTACK_LOG_LEVEL", "WARNING")


def _wait_until_ready(process: subprocess.Popen[bytes], options: ServeOptions) -> bool:
    host = "127.0.0.1" if options.host in ("0.0.0.0", "::") else options.host
    while process.poll() is None:
        connection = http.client.HTTPConnection(host, options.port, timeout=5)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == http.client.OK:
                return True
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(_READY_POLL_SECONDS)
    return False


def _announce(service: ResolvedService, options: ServeOptions, say: Say, write: Say) -> None:
    address = f"http://{options.host}:{options.port}"
    path = service.spec.base_path
    versions = ", ".join(
        f"{model.name} version {model.artifact.version}" if model.artifact.version else model.name
        for model in service.models
    )
    say(f"serving {versions}; Ctrl-C stops it")
    write(f"{address}{path}/docs\n")
    example = service.input.example
    if example is not None:
        body = json.dumps(example, separators=(",", ":"))
        say(f"try: curl -d '{body}' {address}{path}/predict")
