"""Patches: the way out for what the spec has no words for."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from servestack.spec.base import DnsName, SpecModel
from servestack.spec.patterns import described

KIND = described(r"^[A-Z][A-Za-z]*$", "a kind of object, such as Deployment")


class Patch(SpecModel):
    """A strategic merge patch of an object that the model renders, as `kubectl patch` takes it."""

    kind: Annotated[str, StringConstraints(pattern=KIND, max_length=63)] = Field(
        description="Kind of the object.", examples=["Deployment"]
    )
    name: DnsName | None = Field(
        default=None,
        description="Name of the object; required where the model renders several of the kind.",
    )
    patch: Annotated[dict[str, Any], Field(min_length=1)] = Field(
        description="Fields to set, as in the object. Items of lists such as containers, env, volumes "
        "and ports are merged by their key; `null` removes a field, `$patch: delete` an item.",
        examples=[{"spec": {"template": {"spec": {"hostAliases": []}}}}],
    )
