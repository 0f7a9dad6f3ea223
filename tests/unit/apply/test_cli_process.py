"""The CLI is asked to end, never killed, whatever signal reaches the command."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest
from pulumi.automation import errors

from servestack.apply.cli_process import CliProcess, interrupting

CLI = """#!/bin/sh
case "$*" in
*version*) echo v3.250.0 ;;
*wait*) trap 'echo released; exit 3' INT; echo waiting; while :; do sleep 0.1; done ;;
*fail*) echo "error: no" >&2; exit 255 ;;
*) echo "$@" ;;
esac
"""


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliProcess:
    (tmp_path / "pulumi").write_text(CLI)
    (tmp_path / "pulumi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return CliProcess()


def test_lines_are_handed_on_and_kept(cli: CliProcess) -> None:
    lines: list[str] = []
    result = cli.run(["stack", "ls"], "/", {}, lines.append)
    assert result.stdout == "--non-interactive stack ls"
    assert lines == [result.stdout]


def test_a_failure_has_what_was_said(cli: CliProcess) -> None:
    with pytest.raises(errors.CommandError, match="error: no"):
        cli.run(["fail"], "/", {})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_command_interrupts_the_cli(
    cli: CliProcess, number: signal.Signals
) -> None:
    said: list[str] = []
    handler = signal.getsignal(number)

    def send(line: str) -> None:
        if line == "waiting":
            os.kill(os.getpid(), number)

    with (
        interrupting(cli, said.append) as received,
        pytest.raises(errors.CommandError, match="released"),
    ):
        cli.run(["wait"], "/", {}, send)
    assert received == [number]
    assert len(said) == 1
    assert signal.getsignal(number) == handler


def test_it_can_be_interrupted_from_another_thread(cli: CliProcess) -> None:
    def heard(line: str) -> None:
        if line == "waiting":
            thread.start()

    thread = threading.Thread(target=cli.interrupt)
    with pytest.raises(errors.CommandError, match="released"):
        cli.run(["wait"], "/", {}, heard)
    thread.join()


def test_there_is_nothing_to_interrupt_at_rest(cli: CliProcess) -> None:
    cli.interrupt()
