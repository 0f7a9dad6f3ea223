"""The command of the image, with the verbs fetch, download, bake and serve."""

from __future__ import annotations

import argparse
import json
import resource
import sys
from collections.abc import Sequence
from pathlib import Path

from servestack_contract.settings import Log, ModelPlace, ServerSettings
from servestack_contract.shadow import FILE as SHADOW_FILE
from servestack_server import __version__
from servestack_server.errors import StartError
from servestack_server.memory import memory_bytes
from servestack_server.server_log import configure, say, say_error
from servestack_server.settings_file import parse_pin, read_settings_file, settings_digest


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the verbs and return the exit code.

    It is 0 on success, 1 after an error, with one line on stderr that says what is wrong, and 130
    after Ctrl-C.
    """
    given = _parser().parse_args(arguments)
    configure(_log_settings(given.config))
    try:
        return int(given.run(given))
    except StartError as error:
        say_error(str(error))
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="servestack-server", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(required=True, metavar="fetch|download|bake|serve")
    fetch = verbs.add_parser("fetch", help="download artifacts and verify them")
    fetch.add_argument("--into", type=Path, required=True, help="folder for the artifacts")
    fetch.add_argument(
        "--artifact", action="append", required=True, metavar="NAME=URI#sha256=HEX", default=[]
    )
    fetch.add_argument(
        "--config",
        type=Path,
        help="settings file; if given, also convert the models to ONNX as its runtime says",
    )
    fetch.set_defaults(run=_fetch)
    download = verbs.add_parser(
        "download", help="download one artifact as it is, and print its path (for servestack lock)"
    )
    download.add_argument("--into", type=Path, required=True, help="folder for the artifact")
    download.add_argument("--artifact", required=True, metavar="URI")
    download.set_defaults(run=_download, config=None)
    bake = verbs.add_parser("bake", help="convert the models of the settings to ONNX")
    bake.add_argument("--config", type=Path, required=True, help="settings file")
    bake.add_argument(
        "--only", metavar="NAME", help="this model alone, in this process and without a time limit"
    )
    bake.set_defaults(run=_bake)
    serve = verbs.add_parser("serve", help="answer requests")
    serve.add_argument("--config", type=Path, required=True, help="settings file")
    serve.add_argument(
        "--model", action="append", metavar="NAME=VERSION#sha256=HEX", default=[],
        help="version and digest of the model that is served under this name",
    )  # fmt: skip
    serve.add_argument("--host", default="0.0.0.0", help="address to listen on")
    serve.add_argument(
        "--port", type=int, help="port to listen on (default: the port in the settings)"
    )
    serve.set_defaults(run=_serve)
    return parser


def _fetch(given: argparse.Namespace) -> int:
    from servestack_server.fetch.fetch import fetch

    fetch([parse_pin(text) for text in given.artifact], given.into, say=say)
    return _bake_models(given.config) if given.config is not None else 0


def _download(given: argparse.Namespace) -> int:
    """Print one JSON object: `path`, or `message` and `hint` of what is wrong."""
    from servestack_server.fetch.fetch import download

    try:
        said = {"path": str(download(given.artifact, given.into, say=say))}
    except StartError as error:
        said = {"message": error.message, "hint": error.hint}
    sys.stdout.write(json.dumps(said))
    return int("path" not in said)


def _bake(given: argparse.Namespace) -> int:
    if given.only is None:
        return _bake_models(given.config)
    config = read_settings_file(given.config)
    for place in config.models:
        if place.name == given.only:
            _bake_here(config, place)
            return 0
    raise StartError(f"{given.config}: has no model {given.only!r}")


def _bake_models(file: Path) -> int:
    """Convert each model if `runtime` allows it: `onnx` requires it, `native` skips it."""
    config = read_settings_file(file)
    if config.runtime == "native":
        return 0
    from servestack_server.models.bake_alone import bake_alone

    codes = (bake_alone(file, config, place, say=say) for place in config.models)
    return next((code for code in codes if code != 0), 0)


def _bake_here(config: ServerSettings, place: ModelPlace) -> None:
    from servestack_server.models.bake import bake
    from servestack_server.models.parity import TOLERANCE

    # Beyond the container's memory it would be killed, with all that it could say.
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    least = min(memory_bytes(), most) if most != resource.RLIM_INFINITY else memory_bytes()
    resource.setrlimit(resource.RLIMIT_DATA, (least, most))
    bake(
        Path(place.path),
        columns=config.input.columns,
        tensor=config.input.tensor,
        example=config.input.example,
        trust=config.trust,
        required=config.runtime == "onnx",
        say=say,
        tolerance=config.onnx_tolerance or TOLERANCE,
    )


def _serve(given: argparse.Namespace) -> int:
    from servestack_server.process import serve

    return serve(
        read_settings_file(given.config),
        [parse_pin(text) for text in given.model],
        spec_digest=settings_digest(given.config),
        host=given.host,
        port=given.port,
        shadow_file=given.config.with_name(SHADOW_FILE),
    )


def _log_settings(file: Path | None) -> Log:
    """Return the log of the settings. The verb itself reports a file that cannot be read."""
    try:
        return (read_settings_file(file).log if file is not None else None) or Log()
    except StartError:
        return Log()
