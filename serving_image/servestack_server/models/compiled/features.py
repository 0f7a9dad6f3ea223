"""Steps that choose features, or make others of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from servestack_server.models.model import Array


@dataclass(frozen=True)
class Choose:
    """Some of the features. Source: `SelectorMixin.transform`. `mask`: whether each is one."""

    mask: Array

    @property
    def width(self) -> int:
        return int(self.mask.sum())

    def __call__(self, values: Array) -> Array:
        return values[:, self.mask]


@dataclass(frozen=True)
class Polynomial:
    """Products of up to `degree` features. Source: `PolynomialFeatures.transform` of a dense array.

    `interactions`: none of a feature with itself. `bias`: a column of ones before them.
    """

    degree: int
    interactions: bool
    bias: bool
    width: int

    def __call__(self, values: Array) -> Array:
        made = np.empty((len(values), self.width), dtype=values.dtype)
        features = values.shape[1]
        column = int(self.bias)
        made[:, :column] = 1
        made[:, column : column + features] = values
        index = [*range(column, column + features + 1)]
        column += features
        for _ in range(2, self.degree + 1):
            new, end = [], index[-1]
            for feature in range(features):
                start = index[feature]
                new.append(column)
                if self.interactions:
                    start += index[feature + 1] - index[feature]
                after = column + end - start
                if after <= column:
                    break
                np.multiply(
                    made[:, start:end], values[:, feature : feature + 1], out=made[:, column:after]
                )
                column = after
            new.append(column)
            index = new
        return made


@dataclass(frozen=True)
class Normalize:
    """Each row divided by its norm, in place. Source: scikit-learn's `normalize`."""

    norm: str

    def __call__(self, values: Array) -> Array:
        if self.norm == "l1":
            norms = np.sum(np.abs(values), axis=1)
        elif self.norm == "max":
            norms = np.max(np.abs(values), axis=1)
        else:
            norms = np.sqrt(np.einsum("ij,ij->i", values, values))
        norms[norms < 10 * np.finfo(norms.dtype).eps] = 1.0
        values /= norms[:, None]
        return values


@dataclass(frozen=True)
class Bins:
    """The number of the bin of each value, in place. Source: `KBinsDiscretizer.transform`.

    `edges` are the inner ones of each feature.
    """

    edges: list[Array]

    def __call__(self, values: Array) -> Array:
        for at, edges in enumerate(self.edges):
            values[:, at] = np.searchsorted(edges, values[:, at], side="right")
        return values


@dataclass(frozen=True)
class Indicate:
    """A column of 0 and 1 for each number of each feature, which begin at `first`."""

    first: Array
    width: int

    def __call__(self, numbers: Array) -> Array:
        made = np.zeros((len(numbers), self.width), dtype=numbers.dtype)
        places = numbers.astype(np.intp) + self.first
        np.put_along_axis(made, places, 1, axis=1)
        return made
