"""The base class of all spec sections, and the types that their fields share."""

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, Strict, StringConstraints
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from servestack.spec.patterns import described

DNS_LABEL = described(
    r"^[a-z]([-a-z0-9]*[a-z0-9])?$", "lower-case letters, digits and '-', starting with a letter"
)
DNS_NAME = described(
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    "lower-case letters, digits, '-' and '.', such as iris.example.com",
)
LABEL_KEY = described(
    r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$",
    "a label's key, such as team or example.com/team",
)
LABEL_VALUE = described(
    r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$",
    "a label's value: up to 63 letters, digits, '-', '_', '.'",
)
SECRET_KEY = described(
    r"^[-._a-zA-Z0-9]{1,253}$", "a key of a Secret: letters, digits, '-', '_', '.'"
)
HTTP_PATH = described(
    r"^(/[A-Za-z0-9._~-]+)+$", "a path such as /v1/iris, without a slash at the end"
)
HTTP_URL = described(
    r"^https?://[^\s/@]+(/\S*)?$", "an address such as https://wiki.example.com/iris"
)


class SpecModel(BaseModel):
    """Base of all spec sections: it refuses unknown keys, and values are frozen."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=False,
        validate_by_alias=True,
        validate_default=False,
        # A section inside another one needs no validator of its own. Defaults that are sections are
        # made by `model_construct`, since calling the class would build one.
        defer_build=True,
        ser_json_inf_nan="constants",
        regex_engine="rust-regex",
    )

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """A frozen section needs no copy; pydantic would copy each default that is one."""
        return self


def fields_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return a section's fields by the names that a spec writes, with their types.

    A field may name a class that stands below its own; pydantic looks it up when it is needed.
    """
    if not model.__pydantic_fields_complete__:
        model.model_rebuild(force=True)
    return {info.alias or name: info for name, info in model.model_fields.items()}


# YAML already distinguishes numbers from text; turning "3" into 3 would only hide a mistake.
Boolean = Annotated[bool, Strict()]
Integer = Annotated[int, Strict()]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]

DnsLabel = Annotated[str, StringConstraints(pattern=DNS_LABEL, min_length=1, max_length=63)]
"""A DNS-1035 label, which Kubernetes requires for a Service's name."""

DnsName = Annotated[
    str,
    StringConstraints(
        pattern=DNS_NAME,
        min_length=1,
        max_length=253,
    ),
]
"""A DNS-1123 subdomain, which Kubernetes requires for most names."""

LabelKey = Annotated[
    str,
    StringConstraints(
        pattern=LABEL_KEY,
        max_length=317,
    ),
]
LabelValue = Annotated[str, StringConstraints(pattern=LABEL_VALUE)]

HttpPath = Annotated[str, StringConstraints(pattern=HTTP_PATH, max_length=200)]
HttpUrl = Annotated[str, StringConstraints(pattern=HTTP_URL, max_length=500)]
Port = Annotated[int, Strict(), Field(ge=1, le=65535)]
Percent = Annotated[int, Strict(), Field(ge=1, le=100)]


class SecretKey(SpecModel):
    """A reference to one key of an existing Secret in the environment's namespace."""

    secret: DnsName = Field(description="Name of the Secret.")
    key: Annotated[str, StringConstraints(pattern=SECRET_KEY)] = Field(
        description="Key in the Secret."
    )
