"""The model called with one row and nothing around it: median seconds, printed.

python bare_call.py MODEL.joblib|COMPILED ROW.json
"""

import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

CALLS = 3000


def load(file: Path, row: list[float]) -> Any:
    """A function of nothing that predicts the row."""
    if file.is_dir():
        from servestack_contract.settings import Input
        from servestack_server.models.compiled.plan import build_predict, read_plan

        predict = build_predict(read_plan(file), Input())
        return lambda: predict([row])
    import joblib

    model = joblib.load(file)
    array = np.array([row])
    return lambda: model.predict(array)


def main() -> None:
    call = load(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()))
    seconds = []
    for _ in range(CALLS):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    print(median(seconds[CALLS // 10 :]))


if __name__ == "__main__":
    main()
