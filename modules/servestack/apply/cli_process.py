"""Pulumi's CLI as a child process that can be asked to stop.

A stack stays locked when its CLI is killed half-way. Here a signal to this process becomes one
SIGINT to the CLI, which then finishes what it has begun, writes its state and releases the stack.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

from pulumi import automation
from pulumi.automation import errors

Consumer = Callable[[str], Any]
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class CliProcess(automation.PulumiCommand):
    """Runs the CLI in a process group of its own, so that only `interrupt` reaches it."""

    _process: subprocess.Popen[str] | None = None

    def interrupt(self) -> None:
        """Ask the running command to stop in order. A second call stops it at once."""
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGINT)

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: Consumer | None = None,
        on_error: Consumer | None = None,
    ) -> automation.CommandResult:
        """Run a command and pass on each line as it comes. Raises CommandError if it fails."""
        # The Automation API's own `run` does the same in its caller's process group, where Ctrl-C
        # reaches the CLI beside it, and keeps the process to itself.
        environment = {**os.environ, **additional_env, "PULUMI_AUTOMATION_API": "true"}
        with subprocess.Popen(
            [self.command, "--non-interactive", *args], cwd=cwd, env=environment, encoding="utf-8",
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        ) as process:  # fmt: skip
            self._process = process
            output, error = _Reader(process.stdout, on_output), _Reader(process.stderr, on_error)
            result = automation.CommandResult(output.text(), error.text(), process.wait())
        if result.code != 0:
            raise errors.create_command_error(result)
        return result


class _Reader:
    """Collects a stream's lines on a thread."""

    def __init__(self, stream: IO[str] | None, consumer: Consumer | None) -> None:
        assert stream is not None
        self._lines: list[str] = []
        self._thread = threading.Thread(target=self._read, args=(stream, consumer), daemon=True)
        self._thread.start()

    def _read(self, stream: IO[str], consumer: Consumer | None) -> None:
        for line in stream:
            self._lines.append(line.rstrip())
            if consumer is not None:
                consumer(line.rstrip())

    def text(self) -> str:
        self._thread.join()
        return "\n".join(self._lines)


@contextmanager
def interrupting(command: CliProcess, say: Callable[[str], Any]) -> Iterator[list[int]]:
    """Within the block, SIGINT, SIGTERM and SIGHUP stop the CLI in order. Yields those received."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received  # Only the main thread may set handlers.
        return

    def stop(number: int, frame: object) -> None:
        received.append(number)
        if len(received) == 1:
            say(
                "stopping: Pulumi finishes what it has begun and releases the stack; repeat to force it"
            )
        command.interrupt()

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
