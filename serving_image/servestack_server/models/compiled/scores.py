"""Steps that compute the scores of scikit-learn's models without trees."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from servestack_server.models.lean_import import import_alone
from servestack_server.models.model import Array


@dataclass(frozen=True)
class Linear:
    """values @ coefficients + intercept. Source: `LinearModel._decision_function`.

    `coefficients` has the shape (features,) or (features, outputs). `sparse`: as scipy multiplies a
    sparse matrix, feature by feature. `flat`: one output becomes an array of shape (rows,).
    """

    coefficients: Array
    intercept: Array
    sparse: bool = False
    flat: bool = False

    def __call__(self, values: Array) -> Array:
        if self.sparse:
            terms = values[:, :, None] * self.coefficients[None]
            product = np.add.accumulate(terms, axis=1)[:, -1]
        else:
            product = values @ self.coefficients
        scores: Array = product + self.intercept
        return (
            scores.reshape(-1)
            if self.flat and scores.ndim == 2 and scores.shape[1] == 1
            else scores
        )


@dataclass(frozen=True)
class Dense:
    """Layers of a perceptron. Source: `BaseMultilayerPerceptron._forward_pass_fast`.

    `coefficients` and `intercepts` have one array a layer. `activation` follows each but the last.
    """

    coefficients: list[Array]
    intercepts: list[Array]
    activation: str

    def __call__(self, values: Array) -> Array:
        last = len(self.coefficients) - 1
        for layer, weights in enumerate(self.coefficients):
            values = values @ weights
            values += self.intercepts[layer]
            if layer != last and self.activation == "relu":
                np.maximum(values, 0, out=values)
            elif layer != last and self.activation == "tanh":
                np.tanh(values, out=values)
        return values


@dataclass(frozen=True)
class GaussianLikelihood:
    """Joint log likelihoods, (rows, classes). Source: `GaussianNB._joint_log_likelihood`.

    `constants` has one number a class; `means` and `variances` are of shape (classes, features).
    """

    priors: Array
    constants: Array
    means: Array
    variances: Array

    def __call__(self, values: Array) -> Array:
        columns = []
        for at, prior in enumerate(self.priors):
            distance = (values - self.means[at]) ** 2 / self.variances[at]
            columns.append(prior + (self.constants[at] - 0.5 * distance.sum(axis=1)))
        return np.stack(columns).T


@dataclass(frozen=True)
class QuadraticScores:
    """Log posteriors, (rows, classes). Source: `QuadraticDiscriminantAnalysis._decision_function`.

    `means` and `rotations` have one array a class; `logarithms` and `priors` one number.
    """

    means: list[Array]
    rotations: list[Array]
    logarithms: Array
    priors: Array

    def __call__(self, values: Array) -> Array:
        norms = []
        for mean, rotation in zip(self.means, self.rotations, strict=True):
            norms.append(np.sum(np.dot(values - mean, rotation) ** 2, axis=1))
        scores: Array = -0.5 * (np.array(norms).T + self.logarithms) + self.priors
        return scores


@dataclass(frozen=True)
class Project:
    """values @ components - mean. Source: `_BasePCA._transform`. `scale` is empty for none."""

    components: Array
    mean: Array
    scale: Array

    @property
    def width(self) -> int:
        return len(self.components)

    def __call__(self, values: Array) -> Array:
        projected: Array = values @ self.components.T
        projected -= self.mean.reshape(1, -1) @ self.components.T
        if self.scale.size:
            projected /= self.scale
        return projected


@dataclass(frozen=True)
class Libsvm:
    """Support vectors, by scikit-learn's own libsvm without the checks around it.

    The answer is the number of a class, or a value of shape (rows,). Source:
    `BaseLibSVM._dense_predict`. `settings` has its keyword arguments, `arrays` the others.
    """

    arrays: list[Array]
    settings: list[list[Any]]

    @cached_property
    def _predict(self) -> Any:
        packages = ("sklearn", "sklearn.utils", "sklearn.svm")
        return import_alone("sklearn.svm._libsvm", packages).predict

    @cached_property
    def _keywords(self) -> dict[str, Any]:
        return dict(self.settings)

    def __call__(self, values: Array) -> Array:
        answer: Array = self._predict(np.ascontiguousarray(values), *self.arrays, **self._keywords)
        return answer
