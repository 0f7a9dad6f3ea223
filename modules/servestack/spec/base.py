"""What every part of a spec has in common: frozen pydantic models with camelCase keys."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, Strict, StringConstraints
from pydantic.alias_generators import to_camel

DNS_LABEL = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
DNS_NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
LABEL_KEY = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
LABEL_VALUE = r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$"
SECRET_KEY = r"^[-._a-zA-Z0-9]{1,253}$"
HTTP_PATH = r"^(/[A-Za-z0-9._~-]+)+$"
HTTP_URL = r"^https?://[^\s/@]+(/\S*)?$"


class SpecModel(BaseModel):
    """Base of all spec sections: unknown keys refused, values never change after validation."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=False,
        validate_by_alias=True,
        validate_default=False,
        ser_json_inf_nan="constants",
        regex_engine="rust-regex",
    )


# YAML already says what is a number and what is text; turning "3" into 3 would only hide a mistake.
Boolean = Annotated[bool, Strict()]
Integer = Annotated[int, Strict()]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=1000)]

DnsLabel = Annotated[str, StringConstraints(pattern=DNS_LABEL, min_length=1, max_length=63)]
"""A DNS-1035 label, as Kubernetes asks of a Service's name."""

DnsName = Annotated[
    str,
    StringConstraints(
        pattern=DNS_NAME,
        min_length=1,
        max_length=253,
    ),
]
"""A DNS-1123 subdomain, as Kubernetes asks of most names."""

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
    """One key of a Secret that exists in the environment's namespace. Never a value."""

    secret: DnsName = Field(description="Name of the Secret.")
    key: Annotated[str, StringConstraints(pattern=SECRET_KEY)] = Field(
        description="Key in the Secret."
    )
