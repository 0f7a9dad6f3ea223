"""Tables as teams have them: measurements, dates as integers, identifiers, gaps, words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

ROWS = 2_000
TOWNS = ("Bonn", "Köln", "Ulm", "Jena", "Hof")


@dataclass(frozen=True)
class Table:
    """The features, and a target of each kind."""

    features: pd.DataFrame
    classes: np.ndarray
    pair: np.ndarray
    amount: np.ndarray


def _table(features: pd.DataFrame, score: np.ndarray) -> Table:
    """Targets that follow from a score, with some noise."""
    random = np.random.default_rng(7)
    noisy = score / score.std() + random.normal(0, 0.3, len(score))
    classes = np.digitize(noisy, np.quantile(noisy, [1 / 3, 2 / 3]))
    return Table(features, classes, (noisy > np.median(noisy)).astype(int), noisy * 25 + 3)


def _measured(decimals: int | None = None, dtype: str = "float64") -> Table:
    random = np.random.default_rng(1)
    values = random.normal(5, 2, (ROWS, 5)) * [1, 10, 0.1, 1000, 1]
    if decimals is not None:
        values = values.round(decimals)
    frame = pd.DataFrame(values, columns=list("abcde")).astype(dtype)
    return _table(frame, values[:, 0] + np.sin(values[:, 1]) * 3 + values[:, 3] / 1000)


def measured() -> Table:
    return _measured()


def rounded() -> Table:
    """One decimal, as sensors and forms give it: rows stand exactly on thresholds."""
    return _measured(1)


def float32() -> Table:
    return _measured(2, "float32")


def days() -> Table:
    """A day as the integer YYYYMMDD beside the number of a shop."""
    random = np.random.default_rng(2)
    dates = pd.to_datetime("2022-01-01") + pd.to_timedelta(random.integers(0, 700, ROWS), unit="D")
    day = dates.strftime("%Y%m%d").astype(np.int64).to_numpy()
    frame = pd.DataFrame({"day": day, "store": random.integers(1, 31, ROWS)})
    return _table(
        frame, np.sin(dates.dayofyear.to_numpy() / 20) * 3 + frame["store"].to_numpy() / 9
    )


def seconds() -> Table:
    """Unix seconds, above 2^24, beside a float."""
    random = np.random.default_rng(3)
    at = 1_700_000_000 + random.integers(0, 10_000_000, ROWS)
    frame = pd.DataFrame({"at": at, "load": random.uniform(0, 1, ROWS).round(3)})
    return _table(frame, np.sin(at / 86_400 * 6.28) + frame["load"].to_numpy())


def identifiers() -> Table:
    """Integers above 2^53, which float64 does not hold."""
    random = np.random.default_rng(4)
    frame = pd.DataFrame(
        {"id": random.integers(2**60, 2**60 + 2**12, ROWS), "n": random.integers(0, 9, ROWS)}
    )
    return _table(frame, (frame["id"].to_numpy() % 512).astype(float) + frame["n"].to_numpy())


def gaps() -> Table:
    """Measurements of which a tenth is missing."""
    random = np.random.default_rng(5)
    table = _measured(1)
    return _table(table.features.mask(random.random(table.features.shape) < 0.1), table.amount)


def counts() -> Table:
    """Small integers alone."""
    random = np.random.default_rng(6)
    frame = pd.DataFrame(random.integers(0, 12, (ROWS, 4)), columns=list("wxyz"))
    return _table(frame, (frame["w"] * 2 - frame["x"] * frame["y"] / 4).to_numpy())


def words() -> Table:
    """A town, a street of which there are many, numbers, a gap, a truth."""
    random = np.random.default_rng(8)
    frame = pd.DataFrame(
        {
            "town": random.choice(TOWNS, ROWS),
            "street": [f"street {number}" for number in random.integers(0, 60, ROWS)],
            "rooms": random.integers(1, 8, ROWS),
            "area": random.uniform(20, 200, ROWS).round(1),
            "age": np.where(random.random(ROWS) < 0.1, np.nan, random.integers(0, 120, ROWS)),
        }
    )
    score = frame["area"] / 20 + (frame["town"] == "Ulm") * 3 + frame["rooms"] / 3
    return _table(frame, score.to_numpy())


def notes() -> Table:
    """A line of text beside a number."""
    random = np.random.default_rng(9)
    said = np.array(["late", "broken", "fine", "great", "never", "again", "box", "red", "refund"])
    lines = [" ".join(random.choice(said, random.integers(2, 9))) for _ in range(ROWS)]
    frame = pd.DataFrame({"note": lines, "stars": random.integers(1, 6, ROWS)})
    bad = frame["note"].str.count("late|broken|refund").to_numpy()
    return _table(frame, frame["stars"].to_numpy() - bad * 1.0)


TABLES: dict[str, Callable[[], Table]] = {
    made.__name__: made
    for made in (
        measured, rounded, float32, days, seconds, identifiers, gaps, counts, words, notes
    )
}  # fmt: skip
