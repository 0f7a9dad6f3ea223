"""preview, up, destroy, status through Pulumi's Automation API.

The program runs in this process, so that no language host is needed; the state is where Pulumi's
own settings say (`pulumi login`, PULUMI_BACKEND_URL).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from pulumi import automation
from pulumi.automation import errors

from servestack.apply.program import declare
from servestack.errors import ApplyError, Problem
from servestack.project import load_inputs

T = TypeVar("T")
Say = Callable[[str], Any]

_REASONS = (
    ("SRV512", "PULUMI_ACCESS_TOKEN", "Pulumi is not logged in",
     "run `pulumi login`, or `pulumi login file://…` for a backend in a folder"),
    ("SRV513", "passphrase must be set", "the stack's passphrase is missing",
     "set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE"),
    ("SRV513", "incorrect passphrase", "the stack's passphrase is wrong",
     "set PULUMI_CONFIG_PASSPHRASE to the one the stack was made with"),
    ("SRV514", "no resource plugin", "Pulumi's kubernetes plugin is missing",
     "run `pulumi plugin install resource kubernetes`"),
    ("SRV515", "connection refused", "the cluster does not answer",
     "is it running, and is cluster.context right?"),
    ("SRV515", "configured Kubernetes cluster is unreachable", "the cluster does not answer",
     "is it running, and is cluster.context right?"),
)  # fmt: skip


class Engine:
    """One environment's stack. `say` takes the engine's live output, line by line.

    With `create` the stack is made where it does not exist yet. Raises ApplyError.
    """

    def __init__(self, root: Path, environment: str, say: Say, *, create: bool = True) -> None:
        load_inputs(root, environment)  # a broken file is told before Pulumi starts
        if shutil.which("pulumi") is None:
            hint = "see https://www.pulumi.com/docs/install; `servestack render` works without it"
            raise ApplyError(Problem("SRV511", "the Pulumi CLI is not installed", hint=hint))
        self._say = say
        self._environment = environment
        choose = automation.create_or_select_stack if create else automation.select_stack
        self._stack = self._ask(
            lambda: choose(
                stack_name=environment,
                project_name="servestack",
                program=lambda: declare(environment, root),
                opts=automation.LocalWorkspaceOptions(work_dir=str(root)),
            )
        )

    def preview(self) -> dict[str, int]:
        """Counts of what `up` would do: {"create": 3, "same": 1}."""
        result = self._ask(lambda: self._stack.preview(on_output=self._say, color="never"))
        return {str(getattr(op, "value", op)): n for op, n in result.change_summary.items()}

    def up(self) -> dict[str, Any]:
        """Apply. Returns the stack's outputs."""
        result = self._ask(lambda: self._stack.up(on_output=self._say, color="never"))
        return {name: output.value for name, output in result.outputs.items()}

    def refresh(self) -> dict[str, int]:
        """Read the cluster into the state. Counts of what differed: {"update": 1, "same": 20}."""
        result = self._ask(lambda: self._stack.refresh(on_output=self._say, color="never"))
        changes = result.summary.resource_changes or {}
        return {str(getattr(op, "value", op)): count for op, count in changes.items()}

    def destroy(self) -> None:
        """Take away everything that the stack made."""
        self._ask(lambda: self._stack.destroy(on_output=self._say, color="never"))

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets masked."""
        outputs = self._ask(self._stack.outputs)
        return {n: "(masked)" if output.secret else output.value for n, output in outputs.items()}

    def _ask(self, question: Callable[[], T]) -> T:
        """Ask Pulumi, and put its failures in words."""
        try:
            return question()
        except errors.StackNotFoundError:
            hint = f"run `servestack up {self._environment}` first"
            raise ApplyError(
                Problem("SRV518", f"{self._environment} was never brought up", hint=hint)
            ) from None
        except errors.ConcurrentUpdateError:
            raise ApplyError(
                Problem(
                    "SRV516",
                    f"another run holds the stack {self._environment}",
                    hint="wait for it, or after a crash: `pulumi cancel`",
                )
            ) from None
        except (errors.CommandError, errors.InvalidVersionError, OSError) as error:
            raise ApplyError(_in_words(str(error))) from None


def _in_words(text: str) -> Problem:
    for id, sign, message, hint in _REASONS:
        if sign.lower() in text.lower():
            return Problem(id, message, hint=hint)
    lines = [line.strip() for line in text.splitlines()]
    reasons = [line for line in lines if line.startswith("error:")]
    return Problem("SRV517", "; ".join(dict.fromkeys(reasons)) or "Pulumi failed: " + lines[-1])
