"""Compare all models, or those whose names contain a text:

    python -m serving_image.tests.parity [MODEL]

Prints for each: how it was served, the rows, how many differ from mlflow.pyfunc, the largest relative
difference of the others, and the microseconds of one row natively and converted. Exit status 1 if a
row differs.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from pathlib import Path

from serving_image.tests.parity.compare import compare_entry
from serving_image.tests.parity.zoo import LEFT_OUT, entries


def main(text: str) -> int:
    logging.disable(logging.WARNING)
    print(
        f"{'model':44} {'served':9} {'rows':>6} {'differ':>6} {'largest':>8} {'native':>8} {'us':>8}"
    )
    wrong = count = 0
    for entry in entries():
        name = f"{entry.name}, {entry.table}" + (
            " (proba)" if entry.predict_fn != "predict" else ""
        )
        if text not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            result = compare_entry(entry, Path(folder) / "m")
        print(
            f"{name:44} {result.runtime:9} {result.rows:6} {result.differ:6} {result.largest:8.1e} "
            f"{result.native:8.1f} {result.converted:8.1f} {result.reason or result.first}",
            flush=True,
        )
        count += 1
        wrong += result.differ > 0
    print(f"{count} models, {wrong} of them with a row that differs")
    print("left out: " + "; ".join(LEFT_OUT))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
