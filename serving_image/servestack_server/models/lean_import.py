"""Imports of frameworks without the packages that they take along when these are installed.

scikit-learn, XGBoost and LightGBM import pandas (XGBoost and LightGBM also scikit-learn) only to
recognise their objects: 60 to 130 MB and half a second that a model fed with arrays never uses.
All three run without them by design, so they are imported as if those were not installed.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

_NEVER_CALLED = "numpy.f2py"
"""A compiler of Fortran: 4 MB that come with `from numpy import *` in scipy, and with the list of
all types of numpy in skops. Nobody calls it."""

_lean: set[str] = set()
"""Packages imported without something that a full import would have."""


def import_lean(name: str, *, without: tuple[str, ...] = ()) -> ModuleType:
    """Import a package as if those of `without` that are not loaded yet were not installed."""
    if name in sys.modules:
        return sys.modules[name]
    hidden = [package for package in without if package not in sys.modules]
    with _hidden(hidden), _stood_in_for():
        module = importlib.import_module(name)
    if hidden:
        _lean.add(name)
    return module


@contextmanager
def _hidden(packages: list[str]) -> Iterator[None]:
    """As if these were not installed."""
    sys.modules.update(dict.fromkeys(packages))  # type: ignore[arg-type]  # None: not importable
    try:
        yield
    finally:
        for package in packages:
            del sys.modules[package]


@contextmanager
def _stood_in_for() -> Iterator[None]:
    """An empty module where only a name is asked for. A later import finds the real one."""
    import numpy

    if _NEVER_CALLED in sys.modules:
        yield
        return
    sys.modules[_NEVER_CALLED] = numpy.f2py = ModuleType(_NEVER_CALLED)
    try:
        yield
    finally:
        del sys.modules[_NEVER_CALLED]
        del numpy.f2py


def forget_lean(*names: str) -> None:
    """Let the next import of these be a full one.

    Models that already hold objects of the lean import keep them; the native library is shared.
    """
    for name in _lean.intersection(names):
        for module in [key for key in sys.modules if key == name or key.startswith(name + ".")]:
            del sys.modules[module]
        _lean.discard(name)
