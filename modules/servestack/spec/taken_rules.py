"""Rules about names and paths that are already taken."""

from __future__ import annotations

from collections.abc import Iterator

from servestack.spec.faults import Fault
from servestack.spec.model_service import ModelService
from servestack.spec.reserved import RESERVED_NAMES
from servestack_contract.routes import reserved


def taken_faults(spec: ModelService) -> Iterator[Fault]:
    """Yield a fault for a reserved name, and for each path that the server itself answers."""
    if spec.name in RESERVED_NAMES:
        yield Fault(
            "SRV167",
            ("name",),
            f"{spec.name!r} is reserved: {RESERVED_NAMES[spec.name]}",
            f"choose another, such as {spec.name}-model",
        )
    yield from _base_path(spec)


def _base_path(spec: ModelService) -> Iterator[Fault]:
    written, path = spec.api.base_path, ("api", "basePath")
    if written is not None and {".", ".."}.intersection(written.split("/")):
        yield Fault(
            "SRV168",
            path,
            f"{written} has a part that clients and proxies resolve",
            f"write the path without `.` and `..`, such as /v1/{spec.name}",
        )
    elif own := reserved(spec.base_path):
        below = f" lies below {own}, which" if own != spec.base_path else ""
        example = f"/v1/{spec.name}" if written else f"/v1/{spec.name}-model"
        yield Fault(
            "SRV168",
            path if written else ("name",),
            f"{spec.base_path}{below} is a path of the server itself",
            f"write api.basePath: {example}",
        )
    else:
        for index, model in enumerate(spec.models or ()):
            if own := reserved(f"{spec.base_path}/{model.name}"):
                yield Fault(
                    "SRV168",
                    ("models", index, "name"),
                    f"{spec.base_path}/{model.name} is a path of the server itself ({own})",
                    "choose another name, or another api.basePath",
                    (path,),
                )
