"""Rules about a model's shadow."""

from __future__ import annotations

from collections.abc import Iterator

from servestack.spec.faults import Fault
from servestack.spec.model_service import (
    NAME_MAX_LENGTH,
    SHADOW_SUFFIX,
    ModelService,
    shadow_name,
)
from servestack.spec.quantities import byte_count, millicores


def shadow_faults(spec: ModelService) -> Iterator[Fault]:
    """Yield every fault of a shadow; none without one."""
    shadow = spec.shadow
    if shadow is None:
        return
    if spec.models is not None:
        yield Fault(
            "SRV580",
            ("shadow",),
            "is for a service with one model, and this one has `models`",
            "remove it, or give the model a spec of its own with `artifact`",
            (("models",),),
        )
    longest = NAME_MAX_LENGTH - len(SHADOW_SUFFIX)
    if len(spec.name) > longest:
        yield Fault(
            "SRV581",
            ("name",),
            f"{shadow_name(spec.name)}, the Service of the shadow, would have "
            f"{len(shadow_name(spec.name))} characters, and may have {NAME_MAX_LENGTH}",
            f"choose a name with up to {longest} characters, or remove shadow",
            (("shadow",),),
        )
    if shadow.resources is None:
        return
    asked, limits = shadow.resources, shadow.resources.limits
    for name, request, limit, measure in (
        ("cpu", asked.cpu, limits.cpu, millicores),
        ("memory", asked.memory, limits.memory, byte_count),
    ):
        if limit is not None and measure(limit) < measure(request):
            yield Fault(
                "SRV128",
                ("shadow", "resources", "limits", name),
                f"{limit} is below shadow.resources.{name} {request}",
                f"raise it to {request} or more",
                (("shadow", "resources", name),),
            )
    budget, disk = spec.logging.disk_budget, limits.ephemeral_storage
    if byte_count(budget) * 2 > byte_count(disk):
        yield Fault(
            "SRV129",
            ("shadow", "resources", "limits", "ephemeralStorage"),
            f"{disk} is below twice logging.diskBudget {budget}",
            "raise it: the artifact and temporary files need disk too",
            (("logging", "diskBudget"),),
        )
