"""The command of the image, with three verbs: fetch, bake and serve."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from servestack_contract.settings import ServerSettings
from servestack_server import __version__
from servestack_server.errors import StartError
from servestack_server.settings_file import parse_pin, read_settings_file


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one of the verbs and return the exit code.

    It is 0 on success, 1 after an error, with one line on stderr that says what is wrong, and 130
    after Ctrl-C.
    """
    given = _parser().parse_args(arguments)
    logging.basicConfig(
        level=os.environ.get("SERVESTACK_LOG_LEVEL", "INFO").upper(),
        format="%(asctime)s %(levelname)s %(message)s",
        stream=sys.stderr,
    )
    try:
        return int(given.run(given))
    except StartError as error:
        _say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="servestack-server", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(required=True, metavar="fetch|bake|serve")
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
    bake = verbs.add_parser("bake", help="convert the models of the settings to ONNX")
    bake.add_argument("--config", type=Path, required=True, help="settings file")
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

    fetch([parse_pin(text) for text in given.artifact], given.into, say=_say)
    if given.config is not None:
        _bake_models(read_settings_file(given.config))
    return 0


def _bake(given: argparse.Namespace) -> int:
    _bake_models(read_settings_file(given.config))
    return 0


def _bake_models(config: ServerSettings) -> None:
    """Convert each model if `runtime` allows it: `onnx` requires it, `native` skips it."""
    if config.runtime == "native":
        return
    from servestack_server.models.bake import bake

    for place in config.models:
        bake(
            Path(place.path),
            columns=config.input.columns,
            tensor=config.input.tensor,
            example=config.input.example,
            trust=config.trust,
            required=config.runtime == "onnx",
            say=_say,
        )


def _serve(given: argparse.Namespace) -> int:
    from servestack_server.process import serve

    return serve(
        read_settings_file(given.config),
        [parse_pin(text) for text in given.model],
        host=given.host,
        port=given.port,
    )


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
