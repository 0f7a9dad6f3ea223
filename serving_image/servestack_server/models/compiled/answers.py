"""Steps from a model's scores to its answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from servestack_server.models.model import Array


@dataclass(frozen=True)
class Column:
    """One column of the result, or with `at` -1 all values in one row."""

    at: int

    def __call__(self, values: Array) -> Array:
        return values.reshape(-1) if self.at < 0 else values[:, self.at]


@dataclass(frozen=True)
class Divide:
    """Divide in place by one number: the mean of a sum."""

    number: float

    def __call__(self, values: Array) -> Array:
        values /= self.number
        return values


@dataclass(frozen=True)
class Exp:
    """exp of each score."""

    def __call__(self, scores: Array) -> Array:
        return np.exp(scores)


@dataclass(frozen=True)
class Sigmoid:
    """1 / (1 + exp(-factor * score)), of shape (rows,)."""

    factor: float = 1.0

    def __call__(self, scores: Array) -> Array:
        shares: Array = 1 / (1 + np.exp(-self.factor * scores.reshape(-1)))
        return shares


@dataclass(frozen=True)
class Softmax:
    """exp of each score, divided by their sum. Source: scikit-learn's `softmax`."""

    def __call__(self, scores: Array) -> Array:
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares: Array = powers / powers.sum(axis=1, keepdims=True)
        return shares


@dataclass(frozen=True)
class Pair:
    """1 - p and p as two columns."""

    def __call__(self, shares: Array) -> Array:
        return np.vstack((1.0 - shares, shares)).T


@dataclass(frozen=True)
class Difference:
    """Of two columns the second less the first. Source: `AdaBoostClassifier.decision_function`."""

    def __call__(self, scores: Array) -> Array:
        scores[:, 0] *= -1
        difference: Array = scores.sum(axis=1)
        return difference


@dataclass(frozen=True)
class Opposite:
    """Half of -score and score as two columns. Source: `_compute_proba_from_decision`."""

    def __call__(self, scores: Array) -> Array:
        return np.vstack((-scores, scores)).T / 2


@dataclass(frozen=True)
class Isolated:
    """1 for a usual row and -1 for one that few splits isolate. Source: `IsolationForest.predict`.

    `most` is the sum of depths that stands for a score of 1/2, `offset` the score of the border.
    """

    most: float
    offset: float

    def __call__(self, depths: Array) -> Array:
        usual = -(2 ** (-depths / self.most)) - self.offset >= 0
        return np.where(usual, 1, -1)


@dataclass(frozen=True)
class Largest:
    """The column of each row's largest score."""

    def __call__(self, scores: Array) -> Array:
        picked: Array = scores.argmax(axis=1)
        return picked


@dataclass(frozen=True)
class Label:
    """The class of each row: of the largest score, or the second of two if `rule` holds.

    `rule`: "largest", or "above" or "from" `limit` for one score a row.
    """

    classes: Array
    rule: str
    limit: float = 0.0

    def __call__(self, scores: Array) -> Array:
        if self.rule == "largest":
            picked = scores.argmax(axis=1)
        elif self.rule == "above":
            picked = (scores.reshape(-1) > self.limit).astype(np.intp)
        else:
            picked = (scores.reshape(-1) >= self.limit).astype(np.intp)
        labels: Array = self.classes.take(picked)
        return labels


@dataclass(frozen=True)
class As:
    """Convert to a type."""

    dtype: str

    def __call__(self, values: Array) -> Array:
        return values.astype(self.dtype, copy=False)


@dataclass(frozen=True)
class Numbered:
    """The class of each row from its number."""

    classes: Array

    def __call__(self, numbers: Array) -> Array:
        labels: Array = self.classes.take(numbers.astype(np.intp))
        return labels
