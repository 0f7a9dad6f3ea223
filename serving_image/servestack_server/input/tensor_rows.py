"""Rows of a model with several tensors: one array for each name, which share their first axis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np

from servestack_contract.settings import Tensor

Array = np.ndarray[Any, Any]


class TensorRows:
    """Arrays by name, of which one entry each makes a row.

    `rows["a"]` is the array of a name, `rows[2]` one row as a mapping, `rows[2:5]` some of the rows.
    """

    __slots__ = ("arrays",)

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self.arrays = dict(arrays)

    @classmethod
    def stacked(cls, rows: Sequence[Mapping[str, Any]]) -> TensorRows:
        """Put single rows together again. Raises ValueError if an axis differs in length."""
        return cls({name: np.stack([row[name] for row in rows]) for name in rows[0]})

    @classmethod
    def of(cls, rows: Any, tensors: Sequence[Tensor]) -> TensorRows:
        """Return TensorRows unchanged, or make them of rows by position, as a chain's steps answer.

        Raises ValueError if the values do not make the tensors' shapes.
        """
        if isinstance(rows, TensorRows):
            return rows
        arrays = {}
        for tensor, cells in zip(tensors, zip(*rows, strict=True), strict=True):
            array, inner = np.array(cells), tensor.shape[1:]
            arrays[str(tensor.name)] = array if -1 in inner else array.reshape(len(rows), *inner)
        return cls(arrays)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays together."""
        return sum(array.nbytes for array in self.arrays.values())

    @property
    def size(self) -> int:
        """Number of values in all arrays together."""
        return sum(array.size for array in self.arrays.values())

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[at] for at in range(len(self)))

    @overload
    def __getitem__(self, key: str) -> Array: ...
    @overload
    def __getitem__(self, key: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, key: slice) -> TensorRows: ...
    def __getitem__(self, key: str | int | slice) -> Any:
        if isinstance(key, str):
            return self.arrays[key]
        taken = {name: array[key] for name, array in self.arrays.items()}
        return TensorRows(taken) if isinstance(key, slice) else taken

    def tolist(self) -> list[dict[str, Any]]:
        """Return plain rows: mappings of nested lists."""
        lists = [array.tolist() for array in self.arrays.values()]
        return [dict(zip(self.arrays, row, strict=True)) for row in zip(*lists, strict=True)]


def concatenated(parts: Sequence[Any]) -> Any:
    """Return rows of several requests one after the other: arrays, TensorRows or lists.

    Raises ValueError for arrays that differ in another axis than the first, and TypeError for parts
    of another kind.
    """
    first = parts[0]
    if isinstance(first, np.ndarray):
        return np.concatenate(parts)
    if isinstance(first, TensorRows):
        return TensorRows(
            {name: np.concatenate([part[name] for part in parts]) for name in first.arrays}
        )
    rows: list[Any] = []
    for part in parts:
        if not isinstance(part, list | tuple):
            raise TypeError(f"rows are {type(part).__name__}, neither an array nor a list")
        rows += part
    return rows
