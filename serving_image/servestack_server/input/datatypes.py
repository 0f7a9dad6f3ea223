"""The data types of the Open Inference Protocol, and which of them a column and an array have."""

from __future__ import annotations

DTYPES: dict[str, str] = {
    "BOOL": "bool", "UINT8": "uint8", "UINT16": "uint16", "UINT32": "uint32", "UINT64": "uint64",
    "INT8": "int8", "INT16": "int16", "INT32": "int32", "INT64": "int64",
    "FP16": "float16", "FP32": "float32", "FP64": "float64", "BYTES": "object",
}  # fmt: skip
"""The protocol's data types, and numpy's dtype for each."""
BINARY_ONLY = frozenset({"FP16"})
"""Data types that are no JSON: the protocol has no representation of them, KServe and Triton take and
give them only as binary data."""
_OF_DTYPE = {dtype: datatype for datatype, dtype in DTYPES.items()}
_OF_COLUMN = {
    "boolean": "BOOL", "integer": "INT32", "long": "INT64", "float": "FP32", "double": "FP64",
}  # fmt: skip


def datatype_of_dtype(dtype: str) -> str:
    """Return the data type of numpy's dtype of that name; BYTES if it is no number and no boolean."""
    return _OF_DTYPE.get(dtype, "BYTES")


def datatype_of_column(kind: str) -> str:
    """Return the data type of a column of a type of MLflow's signature."""
    return _OF_COLUMN.get(kind, "BYTES")
