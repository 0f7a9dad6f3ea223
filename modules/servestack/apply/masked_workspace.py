"""Pulumi's workspace and stack, without queries whose results nobody here reads."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from pulumi import automation

_SECRET = "[secret]"
"""What the CLI prints in a secret's place."""


class MaskedWorkspace(automation.LocalWorkspace):
    """Reads outputs as they are shown.

    The Automation API's own workspace asks a second time with `--show-secrets` after every update.
    That takes half a second, for values that nobody here may print.
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


def without_history(stack: automation.Stack) -> automation.Stack:
    """The same stack, which does not read its history.

    The Automation API reads it after every update, with `--show-secrets`, for a summary. That takes
    half a second, and nobody here uses the summary.
    """
    stack.info = _succeeded  # type: ignore[method-assign]
    return stack


def _succeeded(show_secrets: bool = True) -> automation.UpdateSummary:
    """An update that had not succeeded would have raised an error before this is asked."""
    return automation.UpdateSummary("update", datetime.now(UTC), "", {}, {}, "succeeded")
