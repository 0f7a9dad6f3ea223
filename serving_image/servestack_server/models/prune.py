"""ONNX graphs without what the one output that is used does not need."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def keep_output(model: Any, index: int) -> str:
    """Leave one output of a ModelProto and what leads to it; the output's name.

    ONNX Runtime computes every node whichever outputs are asked for. Nodes are in topological order
    (ONNX IR, "Graphs"), so one pass from the end finds those that count.
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
    """Its own inputs, and the names that the graphs of a loop or branch take from outside."""
    yield from node.input
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            for inner in graph.node:
                yield from _inputs(inner)


def _replace(items: Any, by: list[Any]) -> None:
    copies = [type(item).FromString(item.SerializeToString()) for item in by]
    del items[:]
    items.extend(copies)
