"""Steps of models that consist of other models, or answer with several values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from servestack_server.models.compiled.steps import Step, Values, taken
from servestack_server.models.model import Array


@dataclass(frozen=True)
class Apart:
    """Steps beside each other, which give the list of their results.

    `positions` has for each the features that it takes, or is empty: each takes all of them. The
    first step of each leaves the values as they are, since others get them too.
    """

    steps: list[list[Step]]
    positions: list[list[int]]

    def __call__(self, values: Values) -> list[Array]:
        results = []
        for at, steps in enumerate(self.steps):
            part: Any = taken(values, self.positions[at]) if self.positions else values
            for step in steps:
                part = step(part)
            results.append(part)
        return results


@dataclass(frozen=True)
class Beside:
    """Results of shape (rows,) as columns."""

    def __call__(self, results: list[Array]) -> Array:
        return np.asarray(results).T


@dataclass(frozen=True)
class Total:
    """The sum of all results, one after the other."""

    def __call__(self, results: list[Array]) -> Array:
        total = results[0].astype(np.float64)
        for result in results[1:]:
            total += result
        return total


@dataclass(frozen=True)
class Average:
    """The mean of results by `weights`; an empty array for none.

    Source: `VotingClassifier.predict_proba`, and with `columns` `VotingRegressor.predict`.
    """

    weights: Array
    columns: bool

    def __call__(self, results: list[Array]) -> Array:
        weights = self.weights if self.weights.size else None
        voters = np.asarray(results)
        mean: Array = (
            np.average(voters.T, axis=1, weights=weights)
            if self.columns
            else np.average(voters, axis=0, weights=weights)
        )
        return mean


@dataclass(frozen=True)
class MostVotes:
    """The number that most results have in a row. Source: `VotingClassifier.predict`, hard."""

    weights: Array

    def __call__(self, results: list[Array]) -> Array:
        weights = self.weights if self.weights.size else None
        votes = np.asarray(results).T
        picked: Array = np.apply_along_axis(
            lambda row: np.argmax(np.bincount(row, weights=weights)), axis=1, arr=votes
        )
        return picked


@dataclass(frozen=True)
class Stacked:
    """Results as features of another model. Source: `_BaseStacking._concatenate_predictions`.

    `dropped`: for each result whether its first column is left out.
    """

    dropped: list[bool]

    def __call__(self, results: list[Array]) -> Array:
        columns = []
        for result, dropped in zip(results, self.dropped, strict=True):
            whole = result.reshape(-1, 1) if result.ndim == 1 else result
            columns.append(whole[:, 1:] if dropped else whole)
        return np.hstack(columns)


@dataclass(frozen=True)
class Median:
    """The weighted median of each row's values. Source: `AdaBoostRegressor._get_median_predict`."""

    weights: Array

    def __call__(self, values: Array) -> Array:
        order = np.argsort(values, axis=1)
        summed = np.cumsum(self.weights[order], axis=1)
        is_above = summed >= 0.5 * summed[:, -1][:, np.newaxis]
        rows = np.arange(len(values))
        median: Array = values[rows, order[rows, is_above.argmax(axis=1)]]
        return median


@dataclass(frozen=True)
class Shares:
    """Each row divided by its sum, unless that is 0. Source: `OneVsRestClassifier.predict_proba`."""

    def __call__(self, shares: Array) -> Array:
        sums = np.sum(shares, axis=1)[:, np.newaxis]
        np.divide(shares, sums, out=shares, where=sums != 0)
        return shares


@dataclass(frozen=True)
class Logistic:
    """1 / (1 + exp(slope * score + intercept)) by class. Source: `_SigmoidCalibration.predict`."""

    slopes: Array
    intercepts: Array

    def __call__(self, scores: Array) -> Array:
        columns = scores.reshape(len(scores), -1)
        shares: Array = 1 / (1 + np.exp(self.slopes * columns + self.intercepts))
        return shares


@dataclass(frozen=True)
class Interpolate:
    """Between the points of each class, and level outside. Source: `IsotonicRegression.predict`."""

    xs: list[Array]
    ys: list[Array]

    def __call__(self, scores: Array) -> Array:
        columns = scores.reshape(len(scores), -1)
        shares = np.empty(columns.shape)
        for at, (xs, ys) in enumerate(zip(self.xs, self.ys, strict=True)):
            shares[:, at] = np.interp(np.clip(columns[:, at], xs[0], xs[-1]), xs, ys)
        return shares


@dataclass(frozen=True)
class Calibrated:
    """Shares of the classes, of sum 1. Source: `_CalibratedClassifier.predict_proba`."""

    def __call__(self, shares: Array) -> Array:
        classes = shares.shape[1]
        if classes == 1:
            shares = np.column_stack((1.0 - shares, shares))
        else:
            sums = np.sum(shares, axis=1)[:, np.newaxis]
            even = np.full_like(shares, 1 / classes)
            shares = np.divide(shares, sums, out=even, where=sums != 0)
        shares[(shares > 1.0) & (shares <= 1.0 + 1e-5)] = 1.0
        return shares
