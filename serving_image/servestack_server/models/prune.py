"""Removes from ONNX graphs everything that the one output in use does not need."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def keep_output(model: Any, index: int) -> str:
    """Keep only one output of a ModelProto and the nodes that it needs. Returns the output's name.

    ONNX Runtime computes every node, whichever outputs are requested. Nodes are in topological order
    (ONNX IR, "Graphs"), so one pass from the end finds those that are needed.
    """
    graph = model.graph
    name: str = graph.output[index].name
    needed = {name}
    kept = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(_inputs(node))
    nodes = list(reversed(kept))
    _replace(graph.node, nodes)
    _replace(graph.output, [graph.output[index]])
    for items in (graph.initializer, graph.input):
        _replace(items, [item for item in items if item.name in needed])
    return name


def _inputs(node: Any) -> Iterator[str]:
    """Yield a node's inputs, and those of the graphs of a loop or branch in it."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from _inputs(inner)


def _replace(items: Any, by: list[Any]) -> None:
    copies = [type(item).FromString(item.SerializeToString()) for item in by]
    del items[:]
    items.extend(copies)
