"""Pulumi's failures as problems: what failed, why, and what to do about it."""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import Any

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
"""(id, sign in Pulumi's words, in ours); the first that is found tells what is wrong."""

_HINTS = {
    "SRV512": "run `pulumi login`, or `pulumi login file://…` for a backend in a folder",
    "SRV513": "set PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE to the one that the"
    " stack was made with",
    "SRV514": "run `pulumi plugin install resource kubernetes {plugin}`",
    "SRV515": "is it running, and are cluster.context and cluster.kubeconfig right?",
}
_CAUSE_IS_TOLD = ("SRV512", "SRV513", "SRV514")
_ERROR = re.compile(r"(?:stderr: )?error: (.+)")
_FOLLOWS = ("update failed", "preview failed", "cannot complete a resource")
"""How Pulumi goes on to tell of what failed before."""


class Told:
    """The errors among the engine's events: (name of the resource, message)."""

    def __init__(self) -> None:
        self.errors: list[tuple[str, str]] = []

    def take(self, event: Any) -> None:
        """Keep an event of pulumi.automation where it is an error."""
        said = event.diagnostic_event
        if said is None or said.severity != "error":
            return
        name = "" if not said.urn else said.urn.rpartition("::")[2]
        message = re.sub(r"<\{%.*?%\}>", "", said.message).strip()
        if message and not message.startswith(_FOLLOWS):
            self.errors.append((name, message))

    def forget(self) -> None:
        """Begin anew."""
        self.errors.clear()


def problems_of(text: str, told: Told) -> list[Problem]:
    """One problem for what was told of each resource; `text` is what Pulumi printed besides."""
    if told.errors:
        return list(dict.fromkeys(_in_words(*error) for error in told.errors))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    reasons = [found[1] for line in lines if (found := _ERROR.match(line))]
    said = "; ".join(dict.fromkeys(reasons)) or "\n".join(lines)
    return [_in_words("", said or "Pulumi failed without a word")]


def _in_words(name: str, message: str) -> Problem:
    for id, sign, words in _SIGNS:
        if sign.lower() in message.lower():
            told = words if id in _CAUSE_IS_TOLD else f"{words}: {message}"
            hint = _HINTS[id].format(plugin=f"v{version('pulumi-kubernetes')}")
            return Problem(id, told, hint=hint)
    return Problem("SRV517", f"{name}: {message}" if name else message)
