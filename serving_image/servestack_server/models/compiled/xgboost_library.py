"""Calls XGBoost's own library on a booster, without its Python package.

The package costs 18 MB, and 0.1 ms of each call. Source: XGBoost's C API, `xgboost/c_api.h`, as its
package `xgboost.core` calls it.
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import weakref
from ctypes import POINTER, byref, c_char_p, c_float, c_uint64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from servestack_server.models.model import Array
from servestack_server.models.threads import thread_count

_MARGIN = 1
"""The type of prediction before the objective's own function."""


class LibraryBooster:
    """A booster in XGBoost's library. `rounds` are the first that count, 0 for all.

    `model` is a model in UBJSON. Raises OSError if the library cannot be used or refuses the model.
    """

    def __init__(self, model: bytes, rounds: int) -> None:
        self._library = _library()
        self._handle = c_void_p()
        self._call("XGBoosterCreate", None, c_uint64(0), byref(self._handle))
        weakref.finalize(self, self._library.XGBoosterFree, self._handle).atexit = False
        self._call("XGBoosterLoadModelFromBuffer", self._handle, model, c_uint64(len(model)))
        threads = str(thread_count()).encode()
        self._call("XGBoosterSetParam", self._handle, b"nthread", threads)
        settings = {
            "type": _MARGIN, "training": False, "iteration_begin": 0, "iteration_end": rounds,
            "missing": float("nan"), "strict_shape": True, "cache_id": 0,
        }  # fmt: skip
        self._settings = json.dumps(settings).encode()

    def margins(self, values: Array) -> Array:
        """Return the sums of the leaves' values, of shape (rows, outputs). `values` are float32."""
        values = np.ascontiguousarray(values, dtype=np.float32)
        described = json.dumps(values.__array_interface__).encode()
        shape, dimensions, found = POINTER(c_uint64)(), c_uint64(), POINTER(c_float)()
        self._call(
            "XGBoosterPredictFromDense", self._handle, described, self._settings, None,
            byref(shape), byref(dimensions), byref(found),
        )  # fmt: skip
        sizes = tuple(shape[at] for at in range(dimensions.value))
        # The library keeps what it has found, and overwrites it in the next call.
        margins: Array = np.ctypeslib.as_array(found, shape=sizes).reshape(len(values), -1).copy()
        return margins

    def _call(self, name: str, *arguments: Any) -> None:
        if getattr(self._library, name)(*arguments):
            raise OSError(self._library.XGBGetLastError().decode(errors="replace"))


@cache
def _library() -> Any:
    spec = importlib.util.find_spec("xgboost")
    if spec is None or not spec.submodule_search_locations:
        raise OSError("XGBoost is not installed")
    folder = Path(next(iter(spec.submodule_search_locations))) / "lib"
    file = next(iter(sorted(folder.glob("libxgboost.*"))), None)
    if file is None:
        raise OSError(f"there is no libxgboost in {folder}")
    library = ctypes.CDLL(str(file))
    library.XGBGetLastError.restype = c_char_p
    return library
