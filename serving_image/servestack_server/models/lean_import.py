"""Imports of frameworks without the packages that they take along when these are installed.

scikit-learn, XGBoost and LightGBM import pandas (XGBoost and LightGBM also scikit-learn) only to
recognise their objects: 60 to 130 MB and half a second that a model fed with arrays never uses.
All three run without them by design, so they are imported as if those were not installed.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

_lean: set[str] = set()
"""Packages imported without something that a full import would have."""


def import_lean(name: str, *, without: tuple[str, ...]) -> ModuleType:
    """Import a package as if those of `without` that are not loaded yet were not installed."""
    if name in sys.modules:
        return sys.modules[name]
    hidden = [package for package in without if package not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: not importable
    try:
        module = importlib.import_module(name)
    finally:
        for package in hidden:
            del sys.modules[package]
    if hidden:
        _lean.add(name)
    return module


def forget_lean(*names: str) -> None:
    """Let the next import of these be a full one.

    Models that already hold objects of the lean import keep them; the native library is shared.
    """
    for name in _lean.intersection(names):
        for module in [key for key in sys.modules if key == name or key.startswith(name + ".")]:
            del sys.modules[module]
        _lean.discard(name)
