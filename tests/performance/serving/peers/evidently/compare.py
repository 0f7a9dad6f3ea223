"""PSI and Jensen-Shannon distance by Evidently of samples that come as JSON on stdin.

    [{"now": [rows of each bucket], "reference": [rows of each bucket]}, …]  →  {"version": …, "answers": [[psi, distance], …]}

The buckets are categories to Evidently, so that it makes no other ones.
"""

import json
import sys

import evidently
import pandas as pd
from evidently.legacy.calculations.stattests.jensenshannon import _jensenshannon
from evidently.legacy.calculations.stattests.psi import _psi
from evidently.legacy.core import ColumnType


def column(counts):
    return pd.Series([f"b{at}" for at, rows in enumerate(counts) for _ in range(rows)])


answers = []
for sample in json.load(sys.stdin):
    data = column(sample["reference"]), column(sample["now"]), ColumnType.Categorical, 0.1
    answers.append([float(_psi(*data)[0]), float(_jensenshannon(*data)[0])])
json.dump({"version": evidently.__version__, "answers": answers}, sys.stdout)
