"""kubectl against the test cluster, as somebody at a terminal would run it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.apiserver import CONTEXT, ApiServer


def kubectl(apiserver: ApiServer, *arguments: str | Path, text: str | None = None) -> str:
    """Run it and give what it prints; `text` goes to its stdin."""
    done = subprocess.run(
        [
            Path(sys.executable).with_name("kubectl"),
            f"--kubeconfig={apiserver.kubeconfig}", f"--context={CONTEXT}", *arguments,
        ],
        input=text, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout
