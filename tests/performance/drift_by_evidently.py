"""What Evidently computes for fixed samples, kept as JSON for tests/unit/contract/test_drift.py.

Its environment has 740 MB, too much for a test. A sample is added to the file without answers.
"""

from __future__ import annotations

import json
import subprocess

from tests.performance.serving.bars import Bar
from tests.performance.serving.venvs import HERE, peer_venv
from tests.support.projects import REPOSITORY

ANSWERS = REPOSITORY / "tests/unit/contract/drift_by_evidently.json"
SECONDS = 300


def update_answers() -> Bar:
    """Ask Evidently for PSI and Jensen-Shannon distance of each sample, and write them down.

    The bar is met if nothing of the file has changed: else the test has something new to hold to.
    """
    before = ANSWERS.read_text()
    samples = [
        {"now": sample["now"], "reference": sample["reference"]}
        for sample in json.loads(before)["samples"]
    ]
    done = subprocess.run(
        [peer_venv("evidently") / "bin/python", HERE / "peers/evidently/compare.py"],
        input=json.dumps(samples), capture_output=True, text=True, check=True, timeout=SECONDS,
    )  # fmt: skip
    answer = json.loads(done.stdout)
    lines = [
        json.dumps({**sample, "psi": psi, "js_distance": distance})
        for sample, (psi, distance) in zip(samples, answer["answers"], strict=True)
    ]
    text = f'{{"evidently": "{answer["version"]}", "samples": [\n' + ",\n".join(lines) + "\n]}\n"
    ANSWERS.write_text(text)
    return Bar(
        "the answers of Evidently that the test holds to are those of now",
        f"Evidently {answer['version']}, {len(samples)} samples", text == before,
    )  # fmt: skip
