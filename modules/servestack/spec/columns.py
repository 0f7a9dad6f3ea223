"""The columns and params of a model's input, and the values that they may take."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from servestack.spec.base import Boolean, Number, SpecModel, Text
from servestack_contract.settings import ColumnType

_TYPE = "Type, as an MLflow signature names it. `any` is not checked."


class Constraints(SpecModel):
    """The values that something may take."""

    nullable: Boolean = Field(default=False, description="Accept null and NaN.")
    minimum: Number | None = Field(default=None, description="Smallest value accepted.")
    maximum: Number | None = Field(default=None, description="Largest value accepted.")
    enum: tuple[str | int | float | bool, ...] | None = Field(
        default=None, description="The only values accepted.", min_length=1
    )
    items: Element | None = Field(
        default=None,
        description="Elements of an array, described like a column. Default: they are not checked.",
    )
    values: Element | None = Field(
        default=None,
        description="Values of a map, described like a column. Default: they are not checked.",
    )
    properties: tuple[Column, ...] | None = Field(
        default=None,
        description="Properties of an object, described like columns; others are refused. Default: "
        "they are not checked.",
        examples=[[{"name": "role", "type": "string"}, {"name": "content", "type": "string"}]],
    )


# A page of the reference lists the fields of the last base first.
class _ElementHead(SpecModel):
    type: ColumnType = Field(description=_TYPE)


class _ColumnHead(SpecModel):
    name: Text = Field(
        default="",
        description="Name of the column, as the model was trained with it. A single column may have "
        "none: the rows are then plain values.",
    )
    type: ColumnType = Field(description=_TYPE)
    required: Boolean = Field(default=True, description="Reject requests without this column.")


class _ParamHead(SpecModel):
    name: Text = Field(description="Name of the param, as in the model's signature.")
    type: ColumnType = Field(description=_TYPE)
    default: Any = Field(default=None, description="Value where a request leaves it out.")


class Element(Constraints, _ElementHead):
    """An element of an array or a map."""


class Column(Constraints, _ColumnHead):
    """One column of the model's input table, or a property of an object in it."""


class Param(Constraints, _ParamHead):
    """A value beside the rows, for a whole request, such as the temperature of a text model."""
