"""A container image, by repository and tag or digest."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from servestack.spec.base import DnsName, SpecModel
from servestack.spec.merging import Merged
from servestack.spec.patterns import described

REPOSITORY = described(
    r"^[a-z0-9]+([.:_-][a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$",
    "registry and repository without tag, such as registry.example.com/serving",
)
TAG = described(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", "a tag: letters, digits, '-', '_', '.'")
DIGEST = described(r"^sha256:[0-9a-f]{64}$", "sha256: and 64 hexadecimal digits")


PullPolicy = Literal["IfNotPresent", "Always", "Never"]


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
    pull_policy: PullPolicy = Field(
        default="IfNotPresent", description="When a cluster's node pulls the image."
    )

    @property
    def reference(self) -> str:
        """`repository:tag@digest`, with the parts that are set."""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.repository}{tag}{digest}"


class ModelImage(SpecModel):
    """The serving image of one model: another image, or how the environment's is pulled."""

    repository: Annotated[str, StringConstraints(pattern=REPOSITORY, max_length=255)] | None = (
        Field(
            default=None,
            description="Registry and repository, without tag. Default: the environment's image.",
            examples=["localhost/serving"],
        )
    )
    tag: Annotated[str, StringConstraints(pattern=TAG)] | None = Field(
        default=None, description="Tag. Avoid `latest`, which names no version."
    )
    digest: Annotated[str, StringConstraints(pattern=DIGEST)] | None = Field(
        default=None, description="Digest that pins the image."
    )
    pull_policy: PullPolicy | None = Field(
        default=None,
        description="When a cluster's node pulls the image. Default: IfNotPresent, or the "
        "environment's for its image.",
    )
    pull_secrets: Annotated[tuple[DnsName, ...], Merged()] = Field(
        default=(),
        description="Secrets with the credentials of the image registry, besides the environment's.",
    )

    def over(self, environment: Image) -> Image:
        """Return the image to run, where `environment` is the environment's."""
        if self.repository is None:
            policy = self.pull_policy or environment.pull_policy
            return environment.model_copy(update={"pull_policy": policy})
        return Image.model_construct(
            repository=self.repository,
            tag=self.tag,
            digest=self.digest,
            pull_policy=self.pull_policy or "IfNotPresent",
        )
