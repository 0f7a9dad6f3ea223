"""The variant of a pod: which side of a rollout it serves.

A rollout controller says so in a label of the pod, and changes it without a restart when a canary
is promoted. So the server reads it from a file of the downward API, which follows the label; an
environment variable would keep the first value.
"""

from __future__ import annotations

from typing import Literal, get_args

Variant = Literal["stable", "canary", "shadow"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)
DEFAULT: Variant = "stable"
"""The variant of a pod without the label: a plain Deployment has only one."""
