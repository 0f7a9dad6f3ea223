"""Sums over the leaves of trees: forests, boosted trees, single trees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from servestack_server.models.compiled.tree_graphs import Tree, leaves_graph, sums_graph
from servestack_server.models.model import Array
from servestack_server.models.not_converted import NotConvertedError

_CHUNK_VALUES = 1 << 18
"""So many leaf values are in memory at a time: as many as a processor's own memory holds."""


@dataclass(frozen=True)
class Trees:
    """For each row the sum of the leaves' values that it reaches, of shape (rows, outputs).

    ONNX Runtime finds the leaf of each tree by comparisons alone, and answers with its number. The
    values are added here, one tree after the other and in the type in which the framework adds them,
    so rounding is the same. `graph` is that of `leaves_graph` as bytes; `values` has the leaves of
    all trees, of shape (leaves, outputs), and `first` says where those of each tree begin. `start` is
    what the framework begins with, of shape (outputs,). `apart`: no sum, but the value of each tree,
    of shape (rows, trees).
    """

    graph: Array
    values: Array
    first: Array
    start: Array
    apart: bool = False

    @cached_property
    def _run(self) -> Any:
        from servestack_server.models.flavors.onnx import open_session

        return open_session(self.graph.tobytes()).run

    def __call__(self, values: Array) -> Array:
        rows = max(1, _CHUNK_VALUES // (self.first.size * self.values.shape[1]))
        if len(values) <= rows:
            return self._sums(values)
        parts = [self._sums(values[at : at + rows]) for at in range(0, len(values), rows)]
        return np.concatenate(parts)

    def _sums(self, values: Array) -> Array:
        (found,) = self._run(None, {"X": np.ascontiguousarray(values)})
        leaves = found.T.astype(np.intp, order="C")
        leaves += self.first[:, None]
        if self.apart:
            apart: Array = self.values.take(leaves).T
            return apart
        terms = self.values.take(leaves, axis=0)
        terms[0] += self.start
        # Unlike add.reduce, which adds in pairs, accumulate is defined to add in order.
        sums: Array = np.add.accumulate(terms, axis=0, out=terms)[-1]
        return sums


@dataclass(frozen=True)
class TreeSums:
    """The same where each tree adds to one output only, as boosted trees do: of shape (rows, outputs).

    ONNX Runtime adds the values as well: from zero on, one tree after the other, and in the type of
    the graph, if it has one thread (several add up their own sums first). The first tree of each
    output is what the framework begins with. `graph` is that of `sums_graph` as bytes.
    """

    graph: Array
    dtype: str

    @cached_property
    def _run(self) -> Any:
        from servestack_server.models.flavors.onnx import open_session

        return open_session(self.graph.tobytes(), threads=1).run

    def __call__(self, values: Array) -> Array:
        sums: Array = self._run(None, {"X": np.ascontiguousarray(values, dtype=self.dtype)})[0]
        return sums


def sum_of(
    trees: Sequence[Tree],
    values: Sequence[Array],
    start: Array,
    features: int,
    dtype: Any,
    *,
    strict: bool = False,
    apart: bool = False,
) -> Trees | TreeSums:
    """Return the step that adds up these trees; `values` has an array (leaves, outputs) for each.

    `features`, `dtype` and `strict` are those of `leaves_graph`, `start` and `apart` those of `Trees`.
    What is added is of the type of `start`, which holds all thresholds.
    """
    if not trees:
        raise NotConvertedError("it has no trees")
    places = None if apart else _places(values)
    if places is not None:
        own = [column[:, place] for column, place in zip(values, places, strict=True)]
        graph = sums_graph(trees, own, places, start, features, strict=strict)
        return TreeSums(graph, start.dtype.name)
    graph = leaves_graph(trees, features, dtype, strict=strict)
    return Trees(graph, np.concatenate(values), first_leaves(trees), start, apart)


def _places(values: Sequence[Array]) -> list[int] | None:
    """Return to which output each tree adds; None if one adds to several."""
    places = []
    for own in values:
        (found,) = np.nonzero(own.any(axis=0))
        if found.size > 1:
            return None
        places.append(int(found[0]) if found.size else 0)
    return places


def round_down(thresholds: Array) -> Array:
    """Return the largest float32 that is not above each threshold.

    For a float32 x, x <= threshold holds exactly if x <= that float32.
    """
    with np.errstate(over="ignore"):
        nearest = thresholds.astype(np.float32)
        below = np.nextafter(nearest, np.float32(-np.inf))
    return np.where(nearest.astype(np.float64) > thresholds, below, nearest)


def number_leaves(is_leaf: Array) -> Array:
    """Return the `leaf` of a Tree: 0, 1, … where `is_leaf`, and -1 elsewhere."""
    return np.where(is_leaf, np.cumsum(is_leaf) - 1, -1)


def first_leaves(trees: Sequence[Tree]) -> Array:
    """Return at which place the leaves of each tree begin, if all are put one after the other."""
    counts = [int(tree.leaf.max()) + 1 for tree in trees]
    return np.cumsum([0, *counts[:-1]]).astype(np.intp)
