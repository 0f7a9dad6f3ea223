"""What `check` calls clean, the server starts on: specs around real models, generated.

The other way round as well: an error of the rules on the start is one that the server raises.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from servestack.errors import ServestackError
from servestack.local.settings import ServeOptions, local_settings
from servestack.resolve.digest import digest_of
from servestack.resolve.lock import Lock, LockedArtifact, dump_lock, read_lock
from servestack.resolve.model_facts import read_facts
from servestack.resolve.resolved import ResolvedService
from servestack.resolve.service import resolve_service
from servestack.review.policy.registry import RULES
from servestack.review.policy.rule import Subject, Violation
from servestack_contract.settings import ServerSettings, read_settings, to_plain
from servestack_server.errors import StartError
from servestack_server.events.log import EventLog
from servestack_server.input.schema import compile_schema
from servestack_server.metrics import ServerMetrics
from servestack_server.process import _load, _with_models_input
from servestack_server.service import Service
from tests.served.trained import COLUMNS, iris
from tests.support.services import NULL, load_settings, load_spec

START = [rule for rule in RULES if rule.id in {"SRV625", "SRV627", "SRV628", "SRV629", "SRV630"}]
"""The rules on the start that depend on spec and lock; fetch's are in test_fetched_addresses."""
KINDS = ("skops", "forest", "pickle", "xgboost", "lightgbm", "onnx", "pyfunc", "script")


@dataclass(frozen=True)
class Artifacts:
    """Real models, saved by MLflow, by kind."""

    folder: Path

    def locked(self, kind: str) -> LockedArtifact:
        """What `servestack lock` writes, through its file."""
        path = self.folder / kind
        facts, digest = read_facts(path), digest_of(path)
        artifact = LockedArtifact(
            uri=f"s3://models/{kind}", source=f"s3://models/{kind}", flavor=facts.flavor,
            format=facts.format, sha256=digest.sha256, size_bytes=digest.size_bytes,
            signature=facts.signature, loading=facts.loading,
        )  # fmt: skip
        file = self.folder / f"{kind}.lock.yaml"
        file.write_text(dump_lock(Lock("prod", {"iris": {kind: artifact}})), encoding="utf-8")
        return read_lock(file, "prod").models["iris"][kind]


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Artifacts:
    folder = tmp_path_factory.mktemp("artifacts")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _save_all(folder)
    return Artifacts(folder)


def _save_all(folder: Path) -> None:
    import mlflow
    import mlflow.lightgbm
    import mlflow.onnx
    import mlflow.pyfunc
    import mlflow.sklearn
    import mlflow.xgboost
    import numpy as np
    from lightgbm import LGBMClassifier
    from mlflow.models import infer_signature
    from skl2onnx import to_onnx
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from xgboost import XGBClassifier

    data, species = iris()
    linear = LogisticRegression(max_iter=500).fit(data, species)
    common: dict[str, Any] = {
        "signature": infer_signature(data, species), "pip_requirements": ["scikit-learn"]
    }  # fmt: skip
    mlflow.sklearn.save_model(linear, folder / "skops", serialization_format="skops", **common)
    forest = RandomForestClassifier(n_estimators=2).fit(data, species)
    mlflow.sklearn.save_model(
        forest, folder / "forest", serialization_format="skops",
        skops_trusted_types=["sklearn.tree._tree.Tree"], **common,
    )  # fmt: skip
    mlflow.sklearn.save_model(
        linear, folder / "pickle", serialization_format="cloudpickle", **common
    )
    boosted = XGBClassifier(n_estimators=2).fit(data, species)
    mlflow.xgboost.save_model(boosted, folder / "xgboost", **common)
    booster = LGBMClassifier(n_estimators=2, verbose=-1).fit(data, species).booster_
    mlflow.lightgbm.save_model(booster, folder / "lightgbm", **common)
    single = data.to_numpy(np.float32)
    linear = LogisticRegression(max_iter=500).fit(single, species)
    converted = to_onnx(linear, single[:1], options={"zipmap": False})
    mlflow.onnx.save_model(converted, folder / "onnx", **common)

    class Widest(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            return model_input.max(axis=1)

    mlflow.pyfunc.save_model(folder / "pyfunc", python_model=Widest(), **common)
    script = folder / "widest.py"
    script.write_text(
        "import mlflow\n"
        "class Widest(mlflow.pyfunc.PythonModel):\n"
        "    def predict(self, context, model_input, params=None):\n"
        "        return model_input.max(axis=1)\n"
        "mlflow.models.set_model(Widest())\n"
    )
    mlflow.pyfunc.save_model(folder / "script", python_model=str(script), **common)


def start(service: ResolvedService, artifacts: Artifacts, kinds: Sequence[str]) -> None:
    """Start the service as `servestack_server.process` does, but for its port and its events.

    Raises StartError as the server does.
    """
    options = ServeOptions("127.0.0.1", 0, None, None)
    given = local_settings(service, options)
    places = tuple(
        msgspec.structs.replace(place, path=str(artifacts.folder / kind))
        for place, kind in zip(given.models, kinds, strict=True)
    )
    # Without their conversions, which take seconds; and with the settings' events, which redact.
    rendered = Subject(service, ()).settings
    given = msgspec.structs.replace(given, models=places, events=rendered.events)
    read: ServerSettings = read_settings(json.dumps(to_plain(given)).encode())
    schema = compile_schema(read.input)
    metrics = ServerMetrics(read)
    models = [_load(read, place.name, Path(place.path), (), metrics) for place in read.models]
    declared = read.input.is_known
    if not declared:
        read = _with_models_input(read, models)
        schema = compile_schema(read.input)
    log = EventLog(read, [], None)
    Service(read, schema, models, metrics, log, is_input_declared=declared).warm_up()


TYPES = ["double", "float", "long", "string", "boolean"]
ROW = [5.1, 3.5, 1.4, 0.2]
MISTAKEN = ["Sepal_length", "width", ""]


def columns() -> st.SearchStrategy[list[dict[str, Any]]]:
    """The model's columns, some of them left out, renamed, of another type or bounded."""
    column = st.sampled_from(COLUMNS).flatmap(
        lambda name: st.fixed_dictionaries(
            {"name": st.just(name), "type": st.sampled_from(["double"] * 6 + TYPES)},
            optional={
                "required": st.booleans(), "nullable": st.booleans(),
                "minimum": st.sampled_from([0, 2.5, -1e300]), "maximum": st.sampled_from([8, 9.5]),
                "enum": st.sampled_from([[5.1, 3.5, 1.4, 0.2], [1, 2], ["a"]]),
            },
        )
    )  # fmt: skip
    plain = [{"name": name, "type": "double"} for name in COLUMNS]
    return st.one_of(
        st.just(plain),
        st.just(plain[:3]),
        st.just([*plain, {"name": "extra", "type": "double"}]),
        st.just([*plain[:3], {"name": "petal_widht", "type": "double"}]),
        st.lists(column, min_size=1, max_size=4, unique_by=lambda given: given["name"]),
    )


def examples() -> st.SearchStrategy[Any]:
    record = dict(zip(COLUMNS, ROW, strict=True))
    return st.sampled_from(
        [
            [ROW], ROW, [record], record, [ROW, ROW], [ROW[:2]], [[*ROW, 1.0]], [["a", *ROW[1:]]],
            [[NULL, *ROW[1:]]], {"dataframe_split": {"columns": list(COLUMNS), "data": [ROW]}},
            {"inputs": {name: [value] for name, value in record.items()}}, {"rows": [ROW]},
            [record | {"x": 1}], {"instances": [ROW], "inputs": [ROW]}, "text", [[True, *ROW[1:]]],
            [[1e300, *ROW[1:]]], [[5, 3, 1, 0]], [],
        ]
    )  # fmt: skip


def specs() -> st.SearchStrategy[dict[str, Any]]:
    given = st.fixed_dictionaries(
        {
            "columns": st.one_of(st.just(NULL), columns()),
            "example": st.one_of(st.just(NULL), examples()),
        },
        optional={"unknownColumns": st.sampled_from(["refuse", "ignore"])},
    )
    redact = st.dictionaries(
        st.sampled_from([*COLUMNS, "Age"]), st.sampled_from(["hash", "drop"]), max_size=2
    )
    all_of_it = {"pickle": True, "code": True, "skopsTypes": ["sklearn.tree._tree.Tree"]}
    some = st.fixed_dictionaries(
        {},
        optional={
            "pickle": st.booleans(), "code": st.booleans(),
            "skopsTypes": st.sampled_from([["sklearn.tree._tree.Tree"], ["a.B"]]),
        },
    )  # fmt: skip
    trust = st.one_of(st.just(all_of_it), st.just(all_of_it), some)
    return st.fixed_dictionaries(
        {
            "trust": trust,
            "api": st.fixed_dictionaries({"input": given}, optional={
                "outputs": st.sampled_from([NULL] * 9 + [["label"]]),
                "params": st.sampled_from([[], [{"name": "t", "type": "double", "default": 0.5}]]),
            }),
        },
        optional={
            "logging": redact.map(lambda names: {"predictions": {"redact": names}}),
            "runtime": st.sampled_from(["auto", "native"]),
        },
    )  # fmt: skip


def models_of(kinds: Sequence[str], shape: str, column: str) -> dict[str, Any]:
    """One model, or a graph over several."""
    if len(kinds) == 1:
        return {"artifact": f"s3://models/{kinds[0]}"}
    models = [{"name": kind, "artifact": f"s3://models/{kind}"} for kind in kinds]
    graph: dict[str, Any] = {"kind": shape}
    match shape:
        case "router":
            cases = [{"equals": 1, "node": kind} for kind in kinds[1:]]
            graph |= {"column": column, "cases": cases, "otherwise": kinds[0]}
        case "chain":
            graph |= {"steps": list(kinds)}
        case _:
            graph |= {"nodes": list(kinds), "combine": "object"}
    return {"models": models, "artifact": None, "graph": graph}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("specs")


@settings(
    max_examples=200, deadline=None, phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(
    kinds=st.one_of(
        st.sampled_from(KINDS).map(lambda kind: (kind,)),
        st.lists(st.sampled_from(KINDS), min_size=2, max_size=2, unique=True).map(tuple),
    ),
    shape=st.sampled_from(["router", "ensemble", "chain"]),
    column=st.sampled_from([*COLUMNS, "species"]),
    spec=specs(),
)
def test_clean_starts(
    artifacts: Artifacts, folder: Path, kinds: tuple[str, ...], shape: str, column: str,
    spec: dict[str, Any],
) -> None:  # fmt: skip
    try:
        loaded = load_spec(folder, **spec, **models_of(kinds, shape, column))
    except ServestackError:
        return  # The spec itself is not valid, and `check` says so.
    named = {model.name: kind for model, kind in zip(loaded.value.artifacts(), kinds, strict=True)}
    locked = {name: artifacts.locked(kind) for name, kind in named.items()}
    service = resolve_service(loaded, load_settings(folder), Lock("prod", {"iris": locked}))
    found = [(rule, violation) for rule in START for violation in rule.check(Subject(service, ()))]
    refused = _refusal(service, artifacts, kinds)
    if not found:
        assert refused == ""
    errors: list[Violation] = [said for rule, said in found if rule.severity == "error"]
    if errors:
        assert refused, f"the server starts, but check says: {errors[0].message}"


def _refusal(service: ResolvedService, artifacts: Artifacts, kinds: Sequence[str]) -> str:
    try:
        start(service, artifacts, kinds)
    except StartError as error:
        # What only the model itself can tell: it is asked in the pod.
        return "" if "the model fails on the example" in str(error) else str(error)
    return ""
