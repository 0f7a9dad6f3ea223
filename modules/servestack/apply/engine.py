"""preview, up, destroy, status through Pulumi's Automation API.

The program runs in this process, so that no language host is needed; the state is where Pulumi's
own settings say (`pulumi login`, PULUMI_BACKEND_URL).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pulumi import automation
from pulumi.automation import errors
from semver import VersionInfo

from servestack.apply.cli_process import CliProcess, interrupting
from servestack.apply.events import Events, is_owned, kind_of
from servestack.apply.failures import locked, problems_of
from servestack.apply.masked_workspace import MaskedWorkspace, without_history
from servestack.apply.pending import PendingCreate, pending_creates, settled
from servestack.apply.program import declare, declare_built
from servestack.errors import ApplyError, Location, Problem
from servestack.review.gate import build_checked
from servestack.review.mask import masked
from servestack.secrets.search import MASK
from servestack.words import counted

_OLDEST_CLI = VersionInfo(3, 200, 0)
"""The CLI is at least as new as the SDK that pyproject.toml allows."""

T = TypeVar("T")
Say = Callable[[str], Any]


class Engine:
    """One environment's stack. `say` takes the engine's live output, line by line.

    With `create` the environment is built here, so that `up` applies what `preview` showed, and
    the stack is created if it does not exist yet. Without `create` the stack must exist, and
    `destroy` and `outputs` work even if a spec is broken. Raises ServestackError.
    """

    def __init__(self, root: Path, environment: str, say: Say, *, create: bool = True) -> None:
        # Errors in the files are reported before Pulumi starts.
        self.built = build_checked(root, environment) if create else None
        program = (
            partial(declare_built, self.built)
            if self.built
            else partial(declare, environment, root)
        )
        _check_installation(root)
        choose = automation.Stack.create_or_select if create else automation.Stack.select
        self._say = say
        self._environment = environment
        self._root = root
        self.events = Events()
        try:
            self._command = CliProcess(version=_OLDEST_CLI)
        except (errors.InvalidVersionError, OSError) as error:
            raise ApplyError(problems_of(str(error), [])) from None
        workspace = MaskedWorkspace(str(root), program=program, pulumi_command=self._command)
        self._stack = without_history(self._ask(lambda: choose(environment, workspace)))

    def preview(self) -> dict[str, int]:
        """Counts of what `up` would do: {"create": 3, "same": 1}. `events.planned` has names."""
        return _counts(self._ask(partial(self._stack.preview, **self._talk())).change_summary)

    def up(self, without: Sequence[str] = ()) -> dict[str, Any]:
        """Apply the environment. Returns the stack's outputs. A failed model does not stop others.

        `without` are the URNs of resources that stay as they are.
        """
        exclude = list(without) or None
        update = partial(self._stack.up, exclude=exclude, continue_on_error=True, **self._talk())
        result = self._ask(update)
        return _values(result.outputs)

    def interrupt(self) -> None:
        """Ask the running update to stop in order; called from another thread."""
        self._command.interrupt()

    def objects(self) -> list[str]:
        """What the stack made and `destroy` deletes, as `Deployment/iris`, the last made first."""
        deployment = self._ask(self._stack.export_stack).deployment or {}
        return [name for r in reversed(deployment.get("resources", ())) if (name := _object(r))]

    def settle_pending(self, exists: Callable[[Mapping[str, Any]], bool]) -> None:
        """Settle the objects that a killed run was still creating.

        `exists` says whether the cluster has an object that the killed run made. Such an object is
        added to the state, because creating it again would fail; the others are forgotten.
        """
        exported = self._ask(self._stack.export_stack)
        pending = pending_creates(exported.deployment or {})
        if not pending:
            return
        made = [create for create in pending if exists(create.body)]
        self._say(_pending_words(pending, made))
        exported.deployment = settled(exported.deployment or {}, made)
        self._ask(lambda: self._stack.import_stack(exported))

    def destroy(self) -> None:
        """Delete everything that the stack made."""
        self._ask(partial(self._stack.destroy, **self._talk()))

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, secrets masked."""
        return _values(self._ask(self._stack.outputs))

    def _talk(self) -> dict[str, Any]:
        return {"on_output": self._say, "on_event": self.events.take, "color": "never"}

    def _ask(self, question: Callable[[], T]) -> T:
        """Call Pulumi, and turn its failures into ApplyError."""
        self.events.forget()
        received: list[int] = []
        try:
            with interrupting(self._command, self._say) as received:
                return question()
        except errors.StackNotFoundError:
            hint = (
                f"run `servestack up {self._environment}` first; what others applied: "
                f"servestack status {self._environment} --live"
            )
            message = f"{self._environment} was never brought up"
            raise ApplyError(Problem("SRV518", message, hint=hint)) from None
        except errors.ConcurrentUpdateError as error:
            raise ApplyError(locked(str(error), self._environment, self._root)) from None
        except (errors.CommandError, errors.InvalidVersionError, OSError) as error:
            if received:
                hint = f"run `servestack up {self._environment}` to continue"
                message = "interrupted; the state records what was done, and the stack is unlocked"
                raise ApplyError(Problem("SRV520", message, hint=hint)) from None
            raise ApplyError(problems_of(str(error), self.events.errors)) from None


def _check_installation(root: Path) -> None:
    if shutil.which("pulumi") is None:
        hint = "see https://www.pulumi.com/docs/install; `servestack render` works without it"
        raise ApplyError(Problem("SRV511", "the Pulumi CLI is not installed", hint=hint))
    if not any((root / f"Pulumi{suffix}").exists() for suffix in (".yaml", ".yml", ".json")):
        # Pulumi would write one of its own, with paths of this machine in it.
        hint = "`servestack init` in an empty folder writes one to copy, and stacks/__main__.py"
        message = "the project has no Pulumi.yaml"
        raise ApplyError(Problem("SRV519", message, Location(root / "Pulumi.yaml"), hint=hint))


def _object(resource: Mapping[str, Any]) -> str:
    """`Deployment/iris` for a resource in the state; empty if deleting it deletes no object."""
    kind = kind_of(resource["type"])
    return f"{kind}/{resource['inputs']['metadata']['name']}" if is_owned(kind) else ""


def _pending_words(pending: list[PendingCreate], made: list[PendingCreate]) -> str:
    names = ", ".join(create.name for create in made) or "none"
    return (
        f"an earlier run was killed while it created {counted(len(pending), 'object')}; made so far: "
        f"{names}"
    )


def _counts(changes: Mapping[Any, int]) -> dict[str, int]:
    return {str(getattr(op, "value", op)): count for op, count in changes.items()}


def _values(outputs: Mapping[str, automation.OutputValue]) -> dict[str, Any]:
    return {n: MASK if output.secret else masked(output.value) for n, output in outputs.items()}
