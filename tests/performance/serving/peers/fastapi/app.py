"""A scikit-learn model behind FastAPI by hand, the file given by MODEL_FILE.

`/predict` is a coroutine; `/predict-in-thread` is a plain function, as tutorials have it, which
FastAPI runs in a pool of threads.
"""

import os

import joblib
import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
model = joblib.load(os.environ["MODEL_FILE"])


class Rows(BaseModel):
    """The body of a request."""

    data: list[list[float]]


class Classes(BaseModel):
    """One class a row."""

    classes: list[int]


@app.get("/ready")
async def ready() -> bool:
    return True


@app.post("/predict")
async def predict(rows: Rows) -> Classes:
    return Classes(classes=model.predict(np.array(rows.data)).tolist())


@app.post("/predict-in-thread")
def predict_in_thread(rows: Rows) -> Classes:
    return Classes(classes=model.predict(np.array(rows.data)).tolist())
