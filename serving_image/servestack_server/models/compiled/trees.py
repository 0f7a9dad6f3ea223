"""Sums over the leaves of trees: forests, boosted trees, single trees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from servestack_server.models.model import Array
from servestack_server.models.not_converted import NotConvertedError

_CHUNK_VALUES = 1 << 18
"""So many leaf values are in memory at a time: as many as a processor's own memory holds."""
_OPSET, _TREE_OPSET, _IR_VERSION = 21, 3, 10


@dataclass(frozen=True)
class Tree:
    """One tree; arrays have one entry a node.

    A row goes left at a node if its value of `feature` is at most `threshold` (below it, for the
    strict trees of XGBoost), or if it is NaN and `missing_left` is true. `leaf` is the number of a
    leaf among those of its tree, -1 for other nodes.
    """

    feature: Array
    threshold: Array
    left: Array
    right: Array
    missing_left: Array
    leaf: Array


@dataclass(frozen=True)
class Trees:
    """For each row the sum of the leaves' values that it reaches, of shape (rows, outputs).

    ONNX Runtime finds the leaf of each tree by comparisons alone, and answers with its number. The
    values are added here, one tree after the other and in the type in which the framework adds them,
    so rounding is the same. `graph` is that of `build_graph` as bytes; `values` has the leaves of
    all trees, and `first` where those of each tree begin. `start` is what the framework begins with,
    of shape (outputs,). `values` is of shape (leaves, outputs), or (leaves, 1) if the trees add to
    one output each, in turns. `apart`: no sum, but the value of each tree, of shape (rows, trees).
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
        outputs = self.start.size
        if self.values.shape[1] == outputs:
            terms = self.values.take(leaves, axis=0)
            terms[0] += self.start
            # Unlike add.reduce, which adds in pairs, accumulate is defined to add in order.
            sums: Array = np.add.accumulate(terms, axis=0, out=terms)[-1]
            return sums
        terms = self.values.take(leaves).reshape(-1, outputs, len(values))
        terms[0] += self.start[:, None]
        return np.ascontiguousarray(np.add.accumulate(terms, axis=0, out=terms)[-1].T)


def build_graph(trees: Sequence[Tree], features: int, dtype: Any, *, strict: bool = False) -> Array:
    """Return an ONNX graph from X of shape (rows, features) to the leaf's number in each tree.

    `dtype` is that of X and of the thresholds: float32, or float64 (double tensors in ai.onnx.ml 3).
    The numbers are float32, which holds each up to 2^24. Source: ONNX, TreeEnsembleRegressor.
    """
    from onnx import TensorProto, helper

    if max(int(tree.leaf.max()) for tree in trees) >= 1 << 24:
        raise ValueError("a tree has too many leaves")
    sizes = [tree.leaf.size for tree in trees]
    numbers = [number for number, size in enumerate(sizes) for _ in range(size)]
    nodes = [node for size in sizes for node in range(size)]
    leaf = _joined(trees, "leaf")
    is_leaf = leaf >= 0
    found = np.flatnonzero(is_leaf)
    branch = "BRANCH_LT" if strict else "BRANCH_LEQ"
    tree_of, node_of = np.array(numbers)[found].tolist(), np.array(nodes)[found].tolist()
    ensemble = helper.make_node(
        "TreeEnsembleRegressor", ["X"], ["leaves"], domain="ai.onnx.ml",
        n_targets=len(trees), aggregate_function="SUM", post_transform="NONE",
        nodes_treeids=numbers, nodes_nodeids=nodes,
        nodes_featureids=_inner(trees, "feature", is_leaf),
        nodes_modes=["LEAF" if end else branch for end in is_leaf.tolist()],
        nodes_truenodeids=_inner(trees, "left", is_leaf),
        nodes_falsenodeids=_inner(trees, "right", is_leaf),
        nodes_missing_value_tracks_true=_inner(trees, "missing_left", is_leaf),
        target_treeids=tree_of, target_nodeids=node_of, target_ids=tree_of,
        **_numbers(
            dtype,
            nodes_values=np.where(is_leaf, 0, _joined(trees, "threshold")),
            target_weights=leaf[found],
        ),
    )  # fmt: skip
    kind = TensorProto.DOUBLE if dtype == np.float64 else TensorProto.FLOAT
    graph = helper.make_graph(
        [ensemble], "leaves",
        [helper.make_tensor_value_info("X", kind, [None, features])],
        [helper.make_tensor_value_info("leaves", TensorProto.FLOAT, [None, len(trees)])],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("ai.onnx.ml", _TREE_OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
    return np.frombuffer(model.SerializeToString(), dtype=np.uint8)


def sum_of(
    trees: Sequence[Tree],
    values: Sequence[Array],
    start: Array,
    features: int,
    dtype: Any,
    *,
    strict: bool = False,
    apart: bool = False,
) -> Trees:
    """Return the step that adds up these trees; `values` has an array (leaves, outputs) for each.

    `features`, `dtype` and `strict` are those of `build_graph`, `start` and `apart` those of `Trees`.
    """
    if not trees:
        raise NotConvertedError("it has no trees")
    graph = build_graph(trees, features, dtype, strict=strict)
    if start.size > 1 and _take_turns(values, start.size):
        values = [own[:, [tree % start.size]] for tree, own in enumerate(values)]
    return Trees(graph, np.concatenate(values), first_leaves(trees), start, apart)


def _take_turns(values: Sequence[Array], outputs: int) -> bool:
    """Whether each tree adds to one output only, the first tree to the first, and so on in turns."""
    others = (np.delete(own, tree % outputs, axis=1) for tree, own in enumerate(values))
    return len(values) % outputs == 0 and not any(other.any() for other in others)


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


def _joined(trees: Sequence[Tree], name: str) -> Array:
    return np.concatenate([getattr(tree, name) for tree in trees])


def _inner(trees: Sequence[Tree], name: str, is_leaf: Array) -> list[int]:
    numbers: list[int] = np.where(is_leaf, 0, _joined(trees, name)).astype(np.int64).tolist()
    return numbers


def _numbers(dtype: Any, **arrays: Array) -> dict[str, Any]:
    """Return the attributes of these arrays: lists for float32, tensors for float64."""
    from onnx import numpy_helper

    if dtype == np.float64:
        return {
            f"{name}_as_tensor": numpy_helper.from_array(np.asarray(array, dtype=np.float64))
            for name, array in arrays.items()
        }
    return {name: np.asarray(array, dtype=np.float32).tolist() for name, array in arrays.items()}
