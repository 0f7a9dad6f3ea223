"""A model of the owner's own code, which answers in the form that the first row asks for."""

import datetime
import decimal

import mlflow
import numpy as np
import pandas as pd
import scipy.sparse

DATES = pd.to_datetime(["2026-01-02T03:04:05", None])
FRAME = pd.DataFrame(
    {
        "number": [1.5, float("nan")], "whole": [1, 2], "text": ["a", "é"], "truth": [True, False],
        "kind": pd.Categorical(["x", None]),
    }
)  # fmt: skip
FORMS = {
    # What MLflow's server answers.
    "mapping": {"mean": 1.5, "names": ["a", "b"]},
    "scalar": 1.5,
    "numpy scalar": np.float32(0.1),
    "text": "one text",
    "nothing": None,
    "longer list": [1, 2, 3],
    "nested list": [[1, None], {"a": np.int64(3)}],
    "big number": [2**70],
    "series": pd.Series([1.5, 2.5], name="score"),
    "unnamed series": pd.Series([1, 2]),
    "frame": FRAME,
    "dates of a frame": pd.DataFrame({"at": DATES[:1]}),
    "mapping of arrays": {
        "label": np.array([0, 1]),
        "shares": np.array([[0.25, 0.75], [1.0, 0.0]]),
    },
    "tuple": (np.array([1, 2]), np.array([[1.0], [2.0]])),
    "array": np.array([[1.5, np.inf], [np.nan, -np.inf]]),
    "objects": np.array(["a", None, 1.5], dtype=object),
    "times": np.array(["2026-01-02T03:04:05"], dtype="datetime64[us]"),
    "nanoseconds": np.array(["2026-01-02"], dtype="datetime64[ns]"),
    "dates": [datetime.date(2026, 1, 2), pd.Timestamp("2026-01-02T03:04", tz="Asia/Seoul")],
    "bytes": [b"\x00\xff" * 40],
    "array of bytes": np.array([b"ab", b"c"]),
    "keys": {2: "two", None: "none", True: "true", 1.5: "half"},
    "nullable": pd.DataFrame({"n": pd.array([1, None], dtype="Int64")}),
    # What it fails on.
    "missing values": [pd.NA, pd.NaT, decimal.Decimal("NaN")],
    "missing date": pd.DataFrame({"at": DATES[1:]}),
    "decimal": [decimal.Decimal("1.50")],
    "sparse": scipy.sparse.csr_matrix(np.array([[0, 1], [2, 0]])),
    "set": {7},
    "series inside": {"s": pd.Series([1, 2])},
    "duration": datetime.timedelta(days=1, seconds=2),
    "half a pair": "\ud800",
    # What nobody can write.
    "complex": [1j],
    "object": object(),
}


class Answering(mlflow.pyfunc.PythonModel):  # type: ignore[misc]  # mlflow has no types here
    """Takes the columns `form` and `n`."""

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        form = model_input["form"].iloc[0]
        if form == "generator":
            return (float(value) for value in model_input["n"])
        if form == "count":
            return {"rows": len(model_input)}
        if form == "by row":
            return {"n": model_input["n"], "twice": 2 * model_input["n"].to_numpy()}
        if form == "refusal":
            raise ValueError("this form is not for sale")
        return FORMS[form]


mlflow.models.set_model(Answering())
