"""Names in the settings that must be those of columns or models of the same settings."""

from __future__ import annotations

from collections.abc import Collection

from servestack_contract.settings import Chain, Node, Router, ServerSettings, children


def unknown_redactions(settings: ServerSettings) -> list[str]:
    """Return the names to redact that the input does not have, and would be logged in clear."""
    events = settings.events
    redact = events.predictions.redact if events and events.predictions else {}
    return sorted(redact.keys() - set(redactable(settings)))


def redactable(settings: ServerSettings) -> list[str]:
    """Return the names of what a request holds: columns, tensors and params."""
    columns = [column.name for column in settings.input.columns or ()]
    tensors = [tensor.name for tensor in settings.input.arrays if tensor.name]
    return [*columns, *tensors, *(param.name for param in settings.params or ())]


def unknown_router_columns(node: Node, columns: Collection[str]) -> list[str]:
    """Return the columns by which routers of a graph choose and which the input does not have."""
    if isinstance(node, str):
        return []
    own = [node.column] if isinstance(node, Router) and node.column not in columns else []
    return own + [name for c in children(node) for name in unknown_router_columns(c, columns)]


def entry_models(graph: Node) -> set[str]:
    """Return the names of the models that get the service's input; the others get an answer."""
    if isinstance(graph, str):
        return {graph}
    below = graph.steps[:1] if isinstance(graph, Chain) else children(graph)
    return {name for child in below for name in entry_models(child)}


def entry_names(settings: ServerSettings) -> set[str]:
    """Return the names of the models that take the service's input, not another model's output."""
    if settings.graph is not None:
        return entry_models(settings.graph)
    return {place.name for place in settings.models}
