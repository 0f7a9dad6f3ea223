"""A container image, by repository and tag or digest."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from servestack.spec.base import SpecModel
from servestack.spec.patterns import described

REPOSITORY = described(
    r"^[a-z0-9]+([.:_-][a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$",
    "registry and repository without tag, such as registry.example.com/serving",
)
TAG = described(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", "a tag: letters, digits, '-', '_', '.'")
DIGEST = described(r"^sha256:[0-9a-f]{64}$", "sha256: and 64 hexadecimal digits")


class Image(SpecModel):
    """A container image. With a digest, the tag only informs the reader."""

    repository: Annotated[
        str,
        StringConstraints(pattern=REPOSITORY, max_length=255),
    ] = Field(description="Registry and repository, without tag.", examples=["localhost/serving"])
    tag: Annotated[str, StringConstraints(pattern=TAG)] | None = Field(
        default=None, description="Tag. Avoid `latest`, which names no version."
    )
    digest: Annotated[str, StringConstraints(pattern=DIGEST)] | None = Field(
        default=None, description="Digest that pins the image."
    )
    pull_policy: Literal["IfNotPresent", "Always", "Never"] = Field(
        default="IfNotPresent", description="When a cluster's node pulls the image."
    )

    @property
    def reference(self) -> str:
        """`repository:tag@digest`, with the parts that are set."""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.repository}{tag}{digest}"
