"""When savvi's anytime-valid regression finds a lift, and its odds for another split.

    {"seed": 1, "runs": 100, "most": 10000, "lift": 0.1, "phis": [1, 100], "counts": [[40, 60], …],
     "shares": [0.5, 0.5]}
    →  {"version": …, "stops": [for each phi, units of each run, or null where it found none],
        "odds": [log Bayes factor of each counts]}

The metric is normal with variance 1; a look at every tenth unit, since each update is slow.
"""

import json
import sys
from importlib.metadata import version

import numpy as np
from savvi.linear_regression import LinearRegression
from savvi.multinomial import Multinomial

EVERY = 10


def stop(rng, most, lift, phi):
    model = LinearRegression(0.05, p=2, phi=phi)
    for unit in range(1, most + 1):
        treated = float(rng.random() < 0.5)
        model.update(np.array([rng.normal() + lift * treated, 1.0, treated]))
        if unit > 20 and unit % EVERY == 0:
            low, high = model.calculate_conf_int()[1]
            if low > 0 or high < 0:
                return unit
    return None


def odds(counts, shares):
    test = Multinomial(0.001, np.array(shares), k=10_000)
    test.update(np.array(counts))
    return float(np.log(test.odds))


given = json.load(sys.stdin)
stops = []
for phi in given["phis"]:
    rng = np.random.default_rng(given["seed"])
    stops.append([stop(rng, given["most"], given["lift"], phi) for _ in range(given["runs"])])
found = [odds(counts, given["shares"]) for counts in given["counts"]]
json.dump({"version": version("savvi"), "stops": stops, "odds": found}, sys.stdout)
