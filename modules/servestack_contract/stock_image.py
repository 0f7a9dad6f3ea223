"""Which packages the stock image has, and which of its variants has one that is missing."""

from __future__ import annotations

from collections.abc import Iterable

from servestack_contract.stock_image_data import PACKAGES, PYTHON

__all__ = ["PYTHON", "VARIANTS", "packages_in", "variant_hint", "variant_with"]

VARIANTS = tuple(PACKAGES)
"""The variants of the stock image; `base` is the one without a name of its own."""
_STAND_INS = {"mlflow": "mlflow-skinny", "xgboost": "xgboost-cpu", "tensorflow": "keras"}
"""Packages in place of which the image has another that loads the same models."""
_DISTRIBUTIONS = {"sklearn": "scikit-learn", "yaml": "pyyaml", "dateutil": "python-dateutil"}
"""Packages that are imported under another name than they are installed."""


def packages_in(variant: str) -> dict[str, str]:
    """Return name → version of a variant's packages, with those that stand in for others."""
    found = PACKAGES["base"] | PACKAGES[variant]
    stand_ins = {name: found[other] for name, other in _STAND_INS.items() if other in found}
    return stand_ins | found


def variant_with(packages: Iterable[str]) -> str:
    """Return the smallest variant that has all these packages, by either name; "" if none has."""
    wanted = {_DISTRIBUTIONS.get(name, name) for name in packages}
    return next((name for name in VARIANTS if wanted <= packages_in(name).keys()), "")


def variant_hint(package: str) -> str:
    """Return what to do about a package that an image lacks."""
    variant = variant_with([package])
    if variant and variant != "base":
        return f"use the {variant} variant of the image"
    if variant:
        return "use the stock image, which has it"
    return f"no image here has {package}: build one, as docs/how-to/own-image.md shows"
