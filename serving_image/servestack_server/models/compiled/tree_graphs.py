"""ONNX graphs of trees, for ONNX Runtime to walk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from servestack_server.models.model import Array

_OPSET, _IR_VERSION = 21, 10
_LEAVES_OPSET, _SUMS_OPSET = 3, 5
_BELOW, _AT_MOST = 1, 0
"""Modes of a node of TreeEnsemble."""
_SUM = 1


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


def leaves_graph(
    trees: Sequence[Tree], features: int, dtype: Any, *, strict: bool = False
) -> Array:
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
    given = helper.make_tensor_value_info("X", kind, [None, features])
    leaves = helper.make_tensor_value_info("leaves", TensorProto.FLOAT, [None, len(trees)])
    return _graph([ensemble], given, leaves, _LEAVES_OPSET)


def sums_graph(
    trees: Sequence[Tree],
    values: Sequence[Array],
    outputs: Sequence[int],
    start: Array,
    features: int,
    *,
    strict: bool = False,
) -> Array:
    """Return an ONNX graph from X of shape (rows, features) to the sums of leaves, (rows, outputs).

    `values` has for each tree the values of its leaves, of shape (leaves,), and `outputs` to which
    output they are added. `start` is what each output begins with. X, the thresholds and all sums are
    of the type of `start`. Source: ONNX, TreeEnsemble of ai.onnx.ml 5.
    """
    from onnx import TensorProto, helper

    names = [f"sum{output}" for output in range(start.size)] if start.size > 1 else ["sums"]
    parts = []
    for output, name in enumerate(names):
        # A tree of one leaf: with base_values, ONNX Runtime would add the start after the trees.
        own = [(_leaf_alone(), start[[output]])]
        pairs = zip(trees, values, outputs, strict=True)
        own += [(tree, leaves) for tree, leaves, place in pairs if place == output]
        parts.append(_ensemble(own, name, start.dtype, strict=strict))
    if start.size > 1:
        parts.append(helper.make_node("Concat", names, ["sums"], axis=1))
    kind = TensorProto.DOUBLE if start.dtype == np.float64 else TensorProto.FLOAT
    given = helper.make_tensor_value_info("X", kind, [None, features])
    sums = helper.make_tensor_value_info("sums", kind, [None, start.size])
    return _graph(parts, given, sums, _SUMS_OPSET)


def splits_of(graph: Array) -> list[tuple[int, float]]:
    """Return (feature, threshold) of each finite threshold in a graph that this module has built."""
    import onnx

    splits = []
    for node in onnx.load_from_string(graph.tobytes()).graph.node:
        found = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
        tensor = found.get("nodes_splits") or found.get("nodes_values_as_tensor")
        values = onnx.numpy_helper.to_array(tensor) if tensor else found.get("nodes_values", ())
        modes = found.get("nodes_modes")
        for at, value in enumerate(values):
            is_leaf = isinstance(modes, list) and modes[at] == b"LEAF"
            if np.isfinite(value) and not is_leaf:
                splits.append((int(found["nodes_featureids"][at]), float(value)))
    return splits


def _leaf_alone() -> Tree:
    none = np.zeros(1, dtype=np.int64)
    return Tree(none, none, none, none, none, none)


def _ensemble(trees: Sequence[tuple[Tree, Array]], name: str, dtype: Any, *, strict: bool) -> Any:
    """Return a TreeEnsemble of one output. Its nodes have no leaves, which are numbered apart."""
    from onnx import helper, numpy_helper

    columns: list[tuple[Array, ...]] = []
    roots, nodes, leaves = [], 0, 0
    for tree, own in trees:
        roots.append(nodes)
        is_inner = tree.leaf < 0
        if is_inner.any():
            place = np.where(is_inner, nodes + np.cumsum(is_inner) - 1, leaves + tree.leaf)
            left, right = tree.left[is_inner], tree.right[is_inner]
            columns.append(
                (
                    tree.feature[is_inner], tree.threshold[is_inner], place[left],
                    ~is_inner[left], place[right], ~is_inner[right], tree.missing_left[is_inner],
                )
            )  # fmt: skip
        else:  # A tree of one leaf needs a node, whose branches both lead to it.
            here, yes = np.array([leaves]), np.ones(1, dtype=bool)
            columns.append((here * 0, np.array([np.inf]), here, yes, here, yes, ~yes))
        nodes += len(columns[-1][0])
        leaves += own.size
    feature, threshold, left, is_left, right, is_right, missing = (
        np.concatenate(parts) for parts in zip(*columns, strict=True)
    )
    mode = np.full(nodes, _BELOW if strict else _AT_MOST, dtype=np.uint8)
    values = np.concatenate([own for _, own in trees]).astype(dtype)
    return helper.make_node(
        "TreeEnsemble", ["X"], [name], domain="ai.onnx.ml", n_targets=1,
        aggregate_function=_SUM, post_transform=0, tree_roots=roots,
        nodes_featureids=_whole(feature), nodes_modes=numpy_helper.from_array(mode),
        nodes_splits=numpy_helper.from_array(threshold.astype(dtype)),
        nodes_truenodeids=_whole(left), nodes_trueleafs=_whole(is_left),
        nodes_falsenodeids=_whole(right), nodes_falseleafs=_whole(is_right),
        nodes_missing_value_tracks_true=_whole(missing),
        leaf_targetids=[0] * leaves, leaf_weights=numpy_helper.from_array(values),
    )  # fmt: skip


def _graph(nodes: list[Any], given: Any, found: Any, tree_opset: int) -> Array:
    from onnx import helper

    graph = helper.make_graph(nodes, "trees", [given], [found])
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("ai.onnx.ml", tree_opset)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
    return np.frombuffer(model.SerializeToString(), dtype=np.uint8)


def _whole(numbers: Array) -> list[int]:
    found: list[int] = numbers.astype(np.int64).tolist()
    return found


def _joined(trees: Sequence[Tree], name: str) -> Array:
    return np.concatenate([getattr(tree, name) for tree in trees])


def _inner(trees: Sequence[Tree], name: str, is_leaf: Array) -> list[int]:
    return _whole(np.where(is_leaf, 0, _joined(trees, name)))


def _numbers(dtype: Any, **arrays: Array) -> dict[str, Any]:
    """Return the attributes of these arrays: lists for float32, tensors for float64."""
    from onnx import numpy_helper

    if dtype == np.float64:
        return {
            f"{name}_as_tensor": numpy_helper.from_array(np.asarray(array, dtype=np.float64))
            for name, array in arrays.items()
        }
    return {name: np.asarray(array, dtype=np.float32).tolist() for name, array in arrays.items()}
