"""Steps in the arithmetic of XGBoost, which is that of float32."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from servestack_server.models.model import Array


@dataclass(frozen=True)
class ZerosMissing:
    """NaN for 0: what a sparse matrix leaves out is missing to XGBoost."""

    def __call__(self, values: Array) -> Array:
        return np.where(values == 0, values.dtype.type(np.nan), values)


@dataclass(frozen=True)
class XgboostSigmoid:
    """Probabilities of shape (rows,) in float32. Source: XGBoost, `common::Sigmoid`."""

    def __call__(self, margins: Array) -> Array:
        power = _exp32(np.minimum(-margins.reshape(-1), np.float32(88.7)))
        return np.float32(1) / (power + np.float32(1) + np.float32(1e-16))


@dataclass(frozen=True)
class XgboostSoftmax:
    """Probabilities of shape (rows, classes) in float32. Source: XGBoost, `common::Softmax`."""

    def __call__(self, margins: Array) -> Array:
        powers = _exp32(margins - margins.max(axis=1, keepdims=True))
        shares: Array = powers / powers.sum(axis=1, keepdims=True, dtype=np.float64).astype(
            "float32"
        )
        return shares


@dataclass(frozen=True)
class XgboostExp:
    """exp of each margin, in float32."""

    def __call__(self, margins: Array) -> Array:
        return _exp32(margins)


def _exp32(values: Array) -> Array:
    """exp in float32, rounded once, as the C library does it. numpy's own is off by up to 2 ulp."""
    result: Array = np.exp(values.astype(np.float64)).astype(np.float32)
    return result
