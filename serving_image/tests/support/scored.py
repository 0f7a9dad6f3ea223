"""One saved pyfunc model behind MLflow's own scoring server and behind our reading of a body."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import msgspec
import numpy as np
from mlflow.exceptions import MlflowException
from serving_image.tests.support.scoring_server import ScoringServer

from servestack.resolve.model_facts import read_facts
from servestack.resolve.signature import input_of, params_of
from servestack_contract.settings import Input, Param, Trust
from servestack_server.errors import RequestError
from servestack_server.input.bodies import read_rows
from servestack_server.input.language_models import is_chat
from servestack_server.input.params import ParamsSchema
from servestack_server.input.schema import compile_schema
from servestack_server.metrics import ModelMetrics
from servestack_server.models.load import load_model
from servestack_server.prediction.batcher import Batcher, Job
from servestack_server.prediction.outputs import listed


class Told(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Answers each row as JSON text, without the columns that have no value, and the params."""

    def predict(self, context: Any, model_input: Any, params: Any = None) -> list[str]:
        told = {"params": plain(params)} if params else {}
        if not hasattr(model_input, "to_dict"):
            return [json.dumps({"value": plain(value)} | told) for value in model_input]
        return [
            json.dumps(
                {str(k): plain(v) for k, v in row.items() if plain(v) is not None} | told,
                sort_keys=True,
            )
            for row in model_input.to_dict("records")
        ]


def plain(value: Any) -> Any:
    """What a model got, without the difference between a list and an array of numpy."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, float) and np.isnan(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)


class Scored:
    """The model in `folder`, loaded twice. An answer is the JSON of a body, decoded."""

    def __init__(self, folder: Path) -> None:
        signature = read_facts(folder).signature
        given = input_of(signature).model_dump(mode="json", by_alias=True, exclude_none=True)
        self.input = msgspec.convert(given, Input)
        self.params = msgspec.convert(
            [
                param.model_dump(mode="json", by_alias=True, exclude_none=True)
                for param in params_of(signature)
            ],
            tuple[Param, ...],
        )
        self._schema = compile_schema(self.input)
        self._params = ParamsSchema(self.params) if self.params else None
        self._mlflows = ScoringServer(folder)
        model = load_model(
            folder, name="m", version="1", digest="", columns=self.input.columns,
            tensor=self.input.tensor, runtime="auto", trust=Trust(pickle=True), params=self.params,
        )  # fmt: skip
        self._ours = Batcher(
            model, ModelMetrics("m", "1", ""), max_rows=64, max_wait_seconds=0, max_queue=8,
            receiving=int,
        )  # fmt: skip

    def by_mlflow(self, body: Any) -> Any:
        """The answer of MLflow's server; None where it refuses the body."""
        try:
            return self._mlflows.post(body)
        except MlflowException:
            return None

    def by_us(self, body: Any) -> Any:
        """Our answer in MLflow's form. Raises RequestError."""
        kept: dict[str, Any] = {"params": self._params.defaults if self._params else None}

        def keep(data: Any) -> None:
            kept["params"] = self._params.taken_from(data) if self._params else None
            kept["chat"] = is_chat(data)

        rows = read_rows(json.dumps(body).encode(), self._schema, keep)
        job = Job(rows, float("inf"), lambda job: None, kept["params"])
        self._ours.predict_now(job)
        values = json.loads(json.dumps(listed(job.outputs)))
        return values if kept.get("chat") else {"predictions": values}

    def refusal(self, body: Any) -> RequestError:
        """The error with which we refuse a body. Raises AssertionError if we answer it."""
        try:
            answer = self.by_us(body)
        except RequestError as error:
            return error
        raise AssertionError(f"answered: {answer}")
