"""Prints speed and memory of a 500 MB download, over http and https, in a process of its own.

python -m serving_image.tests.fetch.measure
"""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .certificates import write_certificate
from .range_server import Answers, serving

_MEGABYTES = 500
_SERVICE = "/api/2.0/mlflow-artifacts/artifacts"
_PROGRAM = """
import re, sys
from pathlib import Path
from servestack_server.settings_file import parse_pin
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024
before = peak()
from servestack_server.fetch.fetch import fetch
fetch([parse_pin(sys.argv[2])], Path(sys.argv[1]), say=print)
print(f"peak {peak()} MiB resident, {before} MiB of it before the fetch")
"""


def measure(answers: Answers, uri: str, sha256: str) -> None:
    """One fetch; what it says, then seconds of the whole process."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        command = [sys.executable, "-c", _PROGRAM, folder, f"big={uri}#sha256={sha256}"]
        subprocess.run(command, check=True, env=os.environ | {"MLFLOW_TRACKING_URI": answers.url})
        seconds = time.perf_counter() - began
        sys.stdout.write(
            f"{uri.partition(':')[0]}: {_MEGABYTES / seconds:.0f} MB/s with process start\n\n"
        )


def main() -> None:
    """Both measurements."""
    body = random.Random(6).randbytes(1_000_000) * _MEGABYTES
    sha256 = hashlib.sha256(body).hexdigest()
    with serving() as answers:
        answers.files = {_SERVICE: b'{"files": []}', f"{_SERVICE}/1/big.onnx": body}
        measure(answers, "mlflow-artifacts:/1/big.onnx", sha256)
    with tempfile.TemporaryDirectory() as folder:
        certificate = Path(folder, "localhost.pem")
        write_certificate(certificate)
        os.environ["SSL_CERT_FILE"] = str(certificate)
        with serving(certificate) as answers:
            answers.files = {"/big.onnx": body}
            measure(answers, f"{answers.url}/big.onnx", sha256)


if __name__ == "__main__":
    main()
