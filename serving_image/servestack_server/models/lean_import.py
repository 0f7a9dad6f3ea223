"""Imports frameworks without the optional packages that they would import as well.

scikit-learn, XGBoost and LightGBM import pandas (XGBoost and LightGBM also scikit-learn) only to
recognise their objects. That costs 60 to 130 MB and half a second, and a model that gets arrays
never uses it. All three also run without these packages by design, so they are imported as if the
packages were not installed.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

_NEVER_CALLED = "numpy.f2py"
"""A Fortran compiler of 4 MB. `from numpy import *` in scipy imports it, and so does the list of all
numpy types in skops. Nothing calls it."""

_lean: set[str] = set()
"""Packages that were imported without some of their optional packages."""


def import_lean(name: str, *, without: tuple[str, ...] = ()) -> ModuleType:
    """Import a package as if the packages `without` were not installed, unless they are loaded."""
    if name in sys.modules:
        return sys.modules[name]
    hidden = [package for package in without if package not in sys.modules]
    with _hidden(hidden), _stood_in_for():
        module = importlib.import_module(name)
    if hidden:
        _lean.add(name)
    return module


def import_alone(name: str, packages: tuple[str, ...]) -> ModuleType:
    """Import a compiled module without the code of its `packages`, unless those are loaded.

    `packages` are those that contain it, and that the modules contain which it imports; the first is
    the outermost. A later import of them is the usual one.
    """
    outermost = packages[0]
    if outermost in sys.modules:
        return importlib.import_module(name)
    spec = importlib.util.find_spec(outermost)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"No module named {outermost!r}", name=outermost)
    root = Path(next(iter(spec.submodule_search_locations)))
    for package in packages:
        stand_in = ModuleType(package)
        stand_in.__path__ = [str(root.joinpath(*package.split(".")[1:]))]
        sys.modules[package] = stand_in
    try:
        return importlib.import_module(name)
    finally:
        for module in [key for key in sys.modules if key.partition(".")[0] == outermost]:
            del sys.modules[module]


@contextmanager
def _hidden(packages: list[str]) -> Iterator[None]:
    """Make the packages look as if they were not installed."""
    sys.modules.update(dict.fromkeys(packages))  # type: ignore[arg-type]  # None: not importable
    try:
        yield
    finally:
        for package in packages:
            del sys.modules[package]


@contextmanager
def _stood_in_for() -> Iterator[None]:
    """Put an empty module in the place of `_NEVER_CALLED`. A later import finds the real one."""
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
    """Make the next import of these packages a full one.

    Models that hold objects of the lean import keep them; the native library is shared.
    """
    for name in _lean.intersection(names):
        for module in [key for key in sys.modules if key == name or key.startswith(name + ".")]:
            del sys.modules[module]
        _lean.discard(name)
