"""Runs the Pulumi program under mocks and prints what it registers, as JSON.

A program of its own, because Pulumi keeps its mocks in global state:

    python capture.py ENVIRONMENT PROJECT_FOLDER
"""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import mocks

REGISTERED: list[dict[str, Any]] = []


class Capture(mocks.Mocks):
    """Keeps the inputs of every resource, as the engine would get them."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        REGISTERED.append({"type": args.typ, "name": args.name, "inputs": args.inputs})
        return f"{args.name}-id", args.inputs

    def call(self, args: mocks.MockCallArgs) -> dict[str, Any]:
        return {}


def main() -> None:
    environment, root = sys.argv[1], Path(sys.argv[2])
    pulumi.runtime.set_mocks(Capture(), project="servestack", stack=environment, preview=False)
    from servestack.apply.program import declare

    @pulumi.runtime.test
    def run() -> None:
        program = root / "stacks/__main__.py"
        if program.exists():
            # What `pulumi up` runs; it takes the environment from the stack's name.
            runpy.run_path(str(program), run_name="__main__")
        else:
            declare(environment, root)

    run()
    json.dump(REGISTERED, sys.stdout)


if __name__ == "__main__":
    main()
