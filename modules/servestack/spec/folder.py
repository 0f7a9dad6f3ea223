"""A folder of models: `models/<folder>/_folder.yaml`, kept by the team that owns them."""

from typing import Literal

from pydantic import Field

from servestack.spec.base import SpecModel
from servestack.spec.environment import Overlay

FOLDER_FILE = "_folder.yaml"
"""Its name begins with `_`, as that of every file below models/ that is not a model."""


class Folder(SpecModel):
    """What the models in a folder, and in the folders below it, have in common."""

    api_version: Literal["servestack/v1"] = Field(description="Version of this format.")
    kind: Literal["Folder"] = Field(description="What the file describes.")
    defaults: Overlay = Field(
        description="Fields of a ModelService, such as `owner`, for every model in the folder that "
        "does not set them itself. They are stronger than the environment's defaults."
    )
