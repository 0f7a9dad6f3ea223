"""Converts a model in a process of its own: a converter may never end, or take all the memory."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from servestack_contract.settings import Input, ModelPlace, ServerSettings
from servestack_server.models.bake import tell_refusal, write_refusal

SECONDS = 60.0
"""Pods wait for a conversion, whose only gain is speed. Most take a few seconds."""
REQUIRED_SECONDS = 600.0


def bake_alone(
    file: Path,
    settings: ServerSettings,
    place: ModelPlace,
    *,
    say: Callable[[str], None],
    seconds: float | None = None,
) -> int:
    """Convert one model of the settings file. Returns the exit code of the process that does it.

    After `seconds` (default: SECONDS, or REQUIRED_SECONDS if the settings require ONNX), or if the
    process is killed, the model is marked as not converted. Raises StartError then if the settings
    require ONNX.
    """
    required = settings.runtime == "onnx"
    limit = seconds or (REQUIRED_SECONDS if required else SECONDS)
    command = [sys.executable, "-m", "servestack_server", "bake", f"--config={file}"]
    try:
        code = subprocess.run([*command, f"--only={place.name}"], timeout=limit).returncode
    except subprocess.TimeoutExpired:
        reason = f"the conversion took longer than {limit:g} s"
    else:
        if code >= 0:
            return code
        reason = f"the conversion was ended by {signal.Signals(-code).name}"
        if -code == signal.SIGKILL:
            reason += ", perhaps for its memory"
    tell_refusal(place.name, reason, required=required, say=say)
    given = Input(columns=settings.input.columns, tensor=settings.input.tensor)
    write_refusal(Path(place.path), given, reason, required=required)
    return 0
