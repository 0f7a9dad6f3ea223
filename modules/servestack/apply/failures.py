"""Pulumi's failures as problems: what failed, why, and what to do about it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from servestack.errors import Problem

_SIGNS = (
    ("SRV512", "PULUMI_ACCESS_TOKEN", "Pulumi is not logged in"),
    ("SRV513", "passphrase must be set", "the stack's passphrase is missing"),
    ("SRV513", "incorrect passphrase", "the stack's passphrase is wrong"),
    ("SRV514", "no resource plugin", "Pulumi's kubernetes plugin is missing"),
    ("SRV514", "install the plugin using", "Pulumi's kubernetes plugin is missing"),
    ("SRV515", "configured Kubernetes cluster is unreachable", "the cluster does not answer"),
    ("SRV515", "connection refused", "the cluster does not answer"),
)
"""(id, words in Pulumi's message, our words). The first row whose words are found applies."""

_HINTS = {
    "SRV512": "run `pulumi login`, or `pulumi login file://…` for a backend in a folder",
    "SRV513": "set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE to the one that the"
    " stack was made with",
    "SRV514": "run `pulumi plugin install resource kubernetes {plugin}`",
    "SRV515": "is it running, and are cluster.context and cluster.kubeconfig right?",
}
_CAUSE_IS_TOLD = ("SRV512", "SRV513", "SRV514")
_ERROR = re.compile(r"(?:stderr: )?error: (.+)")
_LOCKED_BY = re.compile(r"created by (.+?) at (\S+)")
_EXISTS = re.compile(r'([a-z0-9.]+) "([^"]+)" already exists')
_CONFLICT = re.compile(r"conflicts? with \"([^\"]+)\"")


def problems_of(text: str, told: Sequence[tuple[str, str]]) -> list[Problem]:
    """One problem for each (resource, message) that Pulumi reported.

    If it reported none, one problem from `text`, which is what Pulumi printed.
    """
    if told:
        return list(dict.fromkeys(_in_words(*error) for error in told))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    reasons = [found[1] for line in lines if (found := _ERROR.match(line))]
    said = "; ".join(dict.fromkeys(reasons)) or "\n".join(lines)
    return [_in_words("", said or "Pulumi failed without a message")]


def locked(text: str, environment: str, root: Path) -> Problem:
    """The problem that another run, maybe a killed one, holds the stack; `text` is Pulumi's output."""
    holder = _LOCKED_BY.search(text)
    by = f": {holder[1]}, since {holder[2]}" if holder else ""
    where = "" if Path.cwd() == root.resolve() else f" --cwd {shlex.quote(str(root))}"
    return Problem(
        "SRV516",
        f"another run holds the stack {environment}{by}",
        hint="wait for it; if it was killed, run "
        f"`pulumi cancel --yes --stack {environment}{where}`",
    )


def _in_words(name: str, message: str) -> Problem:
    if exists := _EXISTS.search(message):
        told = (
            f"{name}: {exists[2]} ({exists[1]}) exists already and does not belong to this stack; "
        )
        hint = "rename the model, or remove the object if nobody needs it, then run `servestack up` again"
        return Problem("SRV522", told + "it was left as it is", hint=hint)
    if "pply failed with" in message and (others := _CONFLICT.findall(message)):
        told = f"{name}: {', '.join(dict.fromkeys(others))} set other values of the same fields"
        hint = "let one of the two own them: "
        hint += (
            "set podSecurity to the platform's level, or createNamespace: false, in the environment"
            if "/namespace-" in name
            else "see `kubectl get … --show-managed-fields`"
        )
        return Problem("SRV523", f"{told}: {' '.join(message.split())}", hint=hint)
    for id, sign, words in _SIGNS:
        if sign.lower() in message.lower():
            told = words if id in _CAUSE_IS_TOLD else f"{words}: {message}"
            hint = _HINTS[id].format(plugin=f"v{version('pulumi-kubernetes')}")
            return Problem(id, told, hint=hint)
    return Problem("SRV517", f"{name}: {message}" if name else message)
