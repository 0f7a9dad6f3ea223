"""Serves the services of the cases: one process for each, forked from one that has imported MLflow."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from serving_image.tests.support.server import free_port, is_ready

_READY_SECONDS = 60
_FORKED = multiprocessing.get_context("forkserver")
_FORKED.set_forkserver_preload(["__main__", "serving_image.tests.conformance.peers.preload"])


class NotReadyError(Exception):
    """A server that does not start, with the last line that it has said."""


@contextmanager
def forked_server(config: dict[str, Any], versions: dict[str, str], folder: Path) -> Iterator[int]:
    """Serve a settings file, and yield the port when the server is ready.

    `config` is what service.json holds, `versions` that of each model. Raises NotReadyError if the
    server ends before.
    """
    file, log, port = folder / "service.json", folder / "server.log", free_port()
    file.write_text(json.dumps(config))
    pins = [f"--model={name}={version}" for name, version in versions.items()]
    arguments = ["serve", f"--config={file}", "--host=127.0.0.1", f"--port={port}", *pins]
    process = _FORKED.Process(target=_serve, args=(arguments, str(log)))
    process.start()
    try:
        until = time.monotonic() + _READY_SECONDS
        while not is_ready(port):
            if not process.is_alive() or time.monotonic() > until:
                said = log.read_text(errors="replace").strip() if log.exists() else ""
                raise NotReadyError(said.rpartition("\n")[2])
            time.sleep(0.02)
        yield port
    finally:
        process.kill()  # Stopping in order is for other tests.
        process.join()
        process.close()


def _serve(arguments: list[str], log: str) -> None:
    """Be the server, as its command is."""
    from servestack_server.cli import main

    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os._exit(main(arguments))
