"""The Pulumi program: `pulumi up --stack dev` declares stacks/dev.yaml and models/."""

from pathlib import Path

import pulumi

try:
    from servestack.apply.program import declare
except ModuleNotFoundError as error:
    raise pulumi.RunError(
        f"the Python package {error.name} is missing in the virtual environment of Pulumi.yaml: "
        "run `pulumi install`, which installs requirements.txt"
    ) from None

declare(pulumi.get_stack(), root=Path(__file__).resolve().parent.parent)
