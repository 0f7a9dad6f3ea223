"""What to say if the package of a store is not installed."""

from __future__ import annotations

from servestack_contract.sources import SCHEMES
from servestack_server.errors import StartError


def missing_package(shown: str, scheme: str) -> StartError:
    """Return the error for a scheme whose package is missing, with what to install where."""
    entry = SCHEMES[scheme]
    wanted = f"'servestack[{entry.extra}]'" if entry.extra else entry.package
    return StartError(
        f"{shown}: needs the package {entry.package}",
        f"the stock image has it; add it to the requirements of an image of your own, or run "
        f"`pip install {wanted}` on a workstation",
    )
