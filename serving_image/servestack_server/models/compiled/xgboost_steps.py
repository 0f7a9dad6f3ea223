"""Steps in the arithmetic of XGBoost, which is that of float32."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from servestack_server.memory import free_bytes, memory_bytes
from servestack_server.models.compiled.trees import TreeSums
from servestack_server.models.compiled.xgboost_library import LibraryBooster
from servestack_server.models.model import Array

_LEAST_ROWS = 64
_LEAST_WALKS = 1 << 14
"""XGBoost's own library is faster than ONNX Runtime from so many rows on, and so many rows times trees.
Before the first row it spends 0.1 ms on a call, and of many trees 2 us on each."""
_LIBRARY_BYTES = 16 << 20
_BYTES_A_BYTE = 4
"""What the library and a booster take: so much, and for each byte of the model so many."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class XgboostSums:
    """Margins of shape (rows, outputs), in float32.

    `sums` walks the trees for few rows, XGBoost's own library for `library_rows` and more: its answer
    has the same bits, since both begin with the base score and add in the order of the trees.
    `model` is the booster in UBJSON as bytes, `rounds` the number of rounds that count, 0 for all.
    """

    sums: TreeSums
    model: Array
    rounds: int
    library_rows: int

    @property
    def graph(self) -> Array:
        return self.sums.graph

    def __call__(self, values: Array) -> Array:
        if len(values) >= self.library_rows and self._booster is not None:
            return self._booster.margins(values)
        return self.sums(values)

    @cached_property
    def _booster(self) -> LibraryBooster | None:
        """Opened by the first call that wants it; None where that is not possible."""
        needed = _LIBRARY_BYTES + _BYTES_A_BYTE * self.model.size
        # A quarter of the memory is for the bodies of requests.
        if needed + memory_bytes() // 4 > free_bytes():
            _log.warning("batches go without XGBoost's library, which takes %d MiB", needed >> 20)
            return None
        try:
            return LibraryBooster(self.model.tobytes(), self.rounds)
        except OSError as error:
            _log.warning("batches go without XGBoost's library: %s", error)
            return None


def library_rows(trees: int) -> int:
    """Return from how many rows on XGBoost's library is faster for so many trees."""
    return max(_LEAST_ROWS, -(-_LEAST_WALKS // trees))


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
