"""Pulumi's workspace, asked for a stack's outputs once and never for its secrets."""

from __future__ import annotations

import json

from pulumi import automation

_SECRET = "[secret]"
"""What the CLI prints in a secret's place."""


class MaskedWorkspace(automation.LocalWorkspace):
    """Reads outputs as they are shown.

    The Automation API's own workspace asks a second time with `--show-secrets` after every update:
    half a second for a figure that nobody here may print.
    """

    def stack_outputs(self, stack_name: str) -> automation.OutputMap:
        """Name → value; a secret's value is `[secret]`."""
        result = self.pulumi_command.run(
            ["stack", "output", "--json", "--stack", stack_name], self.work_dir, self.env_vars
        )
        return {
            name: automation.OutputValue(value, secret=value == _SECRET)
            for name, value in json.loads(result.stdout).items()
        }
