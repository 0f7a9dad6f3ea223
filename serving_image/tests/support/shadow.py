"""Shadows for tests: what the model's server reads of them, and stand-ins that misbehave."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from serving_image.tests.process.load import wait_until
from serving_image.tests.support.server import RunningServer

from servestack_contract.shadow import FILE

Counts = dict[tuple[str, str], int]


def traffic_to(port: int, folder: Path, **settings: object) -> None:
    """Write the file that a server with its settings in `folder` reads."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(json.dumps({"host": "127.0.0.1", "port": port} | settings))


def copies(server: RunningServer) -> Counts:
    """Copies that have ended, by (result, reason); those that have not under ("waiting", "")."""
    found = {}
    text = server.get("/metrics").body.decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "servestack_shadow_requests_total":
                key = sample.labels["result"], sample.labels["reason"]
                found[key] = int(sample.value)
            elif sample.name == "servestack_shadow_requests_waiting":
                found["waiting", ""] = int(sample.value)
    return found


def settled(server: RunningServer, seconds: float = 30.0) -> Counts:
    """The counts once nothing waits any more, without the zeros."""
    wait_until(lambda: copies(server)["waiting", ""] == 0, seconds)
    return {key: count for key, count in copies(server).items() if count}


def answered(server: RunningServer) -> int:
    """Predictions that were answered with 200, as the server's own metric counts them."""
    text = server.get("/metrics").body.decode()
    return sum(
        int(sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "servestack_requests_total"
        and sample.labels["http_response_code"] == "200"
    )


@contextmanager
def stand_in(answer: Callable[[socket.socket, bytes], None]) -> Iterator[int]:
    """A server on the yielded port whose `answer` gets each connection and what came first on it."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        held: list[socket.socket] = []

        def serve(connection: socket.socket) -> None:
            try:
                while data := connection.recv(1 << 20):
                    answer(connection, data)
            except OSError:
                pass

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                held.append(connection)
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for connection in held:
                connection.close()
