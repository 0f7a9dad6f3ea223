"""Environment variables of containers."""

from typing import Annotated

from pydantic import Field, StringConstraints

from servestack.spec.base import SecretKey, SpecModel
from servestack.spec.patterns import described

VARIABLE = described(r"^[A-Za-z_][A-Za-z0-9_]*$", "a variable's name: letters, digits, '_'")


class EnvironmentVariable(SpecModel):
    """An environment variable of a container: a plain value, or a key of a Secret."""

    name: Annotated[str, StringConstraints(pattern=VARIABLE, max_length=200)] = Field(
        description="Name of the variable."
    )
    value: Annotated[str, StringConstraints(max_length=4000)] | None = Field(
        default=None, description="Plain value. Never a secret."
    )
    value_from: SecretKey | None = Field(default=None, description="Key of a Secret.")
    public: Annotated[bool, Field(strict=True)] = Field(
        default=False,
        description="Whether the value is public although it looks like a secret. Reviewers see this.",
    )
