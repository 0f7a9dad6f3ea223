"""Several models behind one address: split, router, chain, ensemble, bandit.

A node is the name of one of the spec's `models`, or another node. The server walks the graph
for each request, inside one pod.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from servestack.spec.base import DnsLabel, Integer, Number, Percent, SpecModel, Text
from servestack_contract.settings import BanditAlgorithm, Combination


class Branch(SpecModel):
    """One branch of a split, with its share."""

    node: Node = Field(description="Model or node that answers.")
    weight: Percent = Field(description="Share of the requests, in percent.")
    name: DnsLabel | None = Field(
        default=None,
        description="Name of the branch in events and in an experiment. Default: its model's.",
    )

    @property
    def label(self) -> str | None:
        """The branch's name, or that of its model; None for a graph without a name."""
        return self.name or (self.node if isinstance(self.node, str) else None)


class Split(SpecModel):
    """A/B test: each request goes to one branch, chosen by weight."""

    kind: Literal["split"] = Field(description="What the node does.")
    branches: tuple[Branch, ...] = Field(
        min_length=2, description="Branches. Their weights add up to 100."
    )
    sticky_by: Text | None = Field(
        default=None,
        description="Request header or column. Requests with the same value go to the same branch.",
    )


class Case(SpecModel):
    """One case of a router."""

    equals: str | int | float | bool = Field(description="Value of the router's column.")
    node: Node = Field(description="Model or node that answers.")


class Router(SpecModel):
    """Each row goes to the node that its value in `column` selects."""

    kind: Literal["router"] = Field(description="What the node does.")
    column: Text = Field(description="Column whose value selects the node.")
    cases: tuple[Case, ...] = Field(min_length=1, description="Values and their nodes.")
    otherwise: Node = Field(description="Node for every other value.")


class Chain(SpecModel):
    """Each step takes the answer of the step before, such as transformers around a model."""

    kind: Literal["chain"] = Field(description="What the node does.")
    steps: tuple[Node, ...] = Field(
        min_length=2, description="Nodes, in the order in which they run."
    )


class Ensemble(SpecModel):
    """All nodes answer, and their answers are combined."""

    kind: Literal["ensemble"] = Field(description="What the node does.")
    nodes: tuple[Node, ...] = Field(min_length=2, description="Nodes whose answers are combined.")
    combine: Combination = Field(
        default="object",
        description="How answers are combined: `mean` or `median` of numbers, `vote` for a class, "
        "or `object` with every answer.",
    )


class Bandit(SpecModel):
    """Most requests go to the arm with the best reward so far; the others explore."""

    kind: Literal["bandit"] = Field(description="What the node does.")
    arms: tuple[Node, ...] = Field(min_length=2, description="The nodes to choose from.")
    algorithm: BanditAlgorithm = Field(
        default="epsilonGreedy", description="Algorithm that chooses an arm."
    )
    epsilon: Number = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Share of requests that explore; used with epsilonGreedy.",
    )
    reward: Text = Field(
        default="reward", description="Field of the feedback that holds the reward."
    )
    minimum_pulls: Integer = Field(
        default=20, ge=1, description="Requests that each arm gets before the algorithm chooses."
    )


def _kind_of(value: object) -> str:
    if isinstance(value, str):
        return "model"
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", None)
    return kind if isinstance(kind, str) else "?"


Graph = Split | Router | Chain | Ensemble | Bandit
"""A node that combines other nodes."""
Node = Annotated[
    Annotated[DnsLabel, Tag("model")]
    | Annotated[Split, Tag("split")]
    | Annotated[Router, Tag("router")]
    | Annotated[Chain, Tag("chain")]
    | Annotated[Ensemble, Tag("ensemble")]
    | Annotated[Bandit, Tag("bandit")],
    Discriminator(
        _kind_of,
        custom_error_type="graph_node",
        custom_error_message="this is not a node of a graph",
        custom_error_context={
            "hint": "write the name of a model, or a mapping with kind: split, router, chain, "
            "ensemble or bandit"
        },
    ),
]
"""A model's name, or one of the graphs, which differ in `kind`."""


def model_names(node: object) -> tuple[str, ...]:
    """Return the names of the models that a graph uses, in reading order, with repetitions."""
    if isinstance(node, str):
        return (node,)
    return tuple(name for child in _children(node) for name in model_names(child))


def splits_of(node: object) -> tuple[Split, ...]:
    """Return the splits of a graph, in reading order."""
    own = (node,) if isinstance(node, Split) else ()
    return own + tuple(split for child in _children(node) for split in splits_of(child))


def _children(node: object) -> tuple[object, ...]:
    match node:
        case Split():
            return tuple(branch.node for branch in node.branches)
        case Router():
            return (*(case.node for case in node.cases), node.otherwise)
        case Chain():
            return node.steps
        case Ensemble():
            return node.nodes
        case Bandit():
            return node.arms
        case _:
            return ()
