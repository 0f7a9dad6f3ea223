"""The Pulumi program: `pulumi up --stack prod` declares stacks/prod.yaml and models/."""

from pathlib import Path

import pulumi

from servestack.apply.program import declare

declare(pulumi.get_stack(), root=Path(__file__).resolve().parent.parent)
