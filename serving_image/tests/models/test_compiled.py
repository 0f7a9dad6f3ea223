"""Plans: what makes them exact, one argument at a time. Whole models: serving_image/tests/parity."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow.sklearn
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving_image.tests.models.model_support import columns_of, iris, load, rows_of
from sklearn.ensemble import ExtraTreesRegressor, StackingClassifier, VotingClassifier
from sklearn.feature_selection import VarianceThreshold
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from servestack_contract.settings import Column, Input, Trust
from servestack_server.models import bake as bake_module
from servestack_server.models.arrays import build_array_maker
from servestack_server.models.bake import bake
from servestack_server.models.compiled.check import check_alike
from servestack_server.models.compiled.compile import compile_model
from servestack_server.models.compiled.edges import edges_of
from servestack_server.models.compiled.flow import Flow
from servestack_server.models.compiled.from_sklearn import plan_of
from servestack_server.models.compiled.plan import Plan, build_predict, read_plan, write_plan
from servestack_server.models.compiled.tree_graphs import Tree, leaves_graph
from servestack_server.models.compiled.trees import (
    Trees,
    TreeSums,
    first_leaves,
    round_down,
    sum_of,
)
from servestack_server.models.mlmodel import Artifact
from servestack_server.models.not_converted import NotConvertedError
from servestack_server.models.parity import DifferentError

X, Y = iris()
_NARROW = st.floats(width=32, allow_nan=False)


@given(st.floats(allow_nan=False), _NARROW)
def test_a_rounded_threshold_sends_each_float32_the_same_way(threshold: float, x: float) -> None:
    rounded = round_down(np.array([threshold]))[0]
    assert rounded.dtype == np.float32
    assert (x <= threshold) == (np.float32(x) <= rounded)


@given(_NARROW)
def test_a_threshold_that_is_a_float32_stays(threshold: float) -> None:
    assert round_down(np.array([threshold]))[0] == np.float32(threshold)


def _leaves(values: list[float]) -> tuple[list[Tree], list[Any]]:
    """Trees of one leaf each, in float32."""
    none = np.zeros(1, dtype=np.int64)
    trees = [Tree(none, np.zeros(1), none, none, none, none) for _ in values]
    return trees, [np.array([[value]], dtype=np.float32) for value in values]


def _by_number(values: list[float]) -> Trees:
    """Their sum, where ONNX Runtime answers with the numbers of the leaves."""
    trees, own = _leaves(values)
    graph = leaves_graph(trees, 1, np.float32)
    return Trees(graph, np.concatenate(own), first_leaves(trees), np.zeros(1, dtype=np.float32))


def _by_sum(values: list[float]) -> TreeSums:
    """Their sum, where ONNX Runtime adds them up."""
    trees, own = _leaves(values)
    step = sum_of(trees, own, np.zeros(1, dtype=np.float32), 1, np.float32)
    assert isinstance(step, TreeSums)
    return step


@pytest.mark.parametrize("threads", ["1", "4"])
@pytest.mark.parametrize("make", [_by_number, _by_sum])
def test_leaves_are_added_in_the_order_of_the_trees(
    make: Any, threads: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float32 (1e8 + 1) - 1e8 is 0; added in pairs or in float64 it would not be."""
    monkeypatch.setenv("SERVESTACK_THREADS", threads)
    values = [1e8, 1.0, -1e8, *[0.1] * 200]
    expected = np.float32(0)
    for value in values:
        expected += np.float32(value)
    step = make(values)
    for rows in (1, 3, 300):
        assert step(np.zeros((rows, 1), np.float32)).ravel().tolist() == [expected] * rows


def test_many_rows_are_added_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    from servestack_server.models.compiled import trees

    monkeypatch.setattr(trees, "_CHUNK_VALUES", 4)
    assert _by_number([1.0, 2.0])(np.zeros((7, 1), np.float32)).ravel().tolist() == [3.0] * 7


def test_onnx_adds_up_only_trees_that_add_to_one_output_each() -> None:
    """Of two outputs each begins with its start, and the order within an output is kept."""
    trees, _ = _leaves([0.0] * 4)
    own = [[1e8, 0.0], [0.0, 2.0], [1.0, 0.0], [0.0, 3.0]]
    values = [np.array([both], dtype=np.float32) for both in own]
    start = np.array([0.5, 0.25], dtype=np.float32)
    apart = sum_of(trees, values, start, 1, np.float32)
    both = sum_of(trees, [values[0] + values[1], *values[1:]], start, 1, np.float32)
    assert (type(apart), type(both)) == (TreeSums, Trees)
    rows = np.zeros((3, 1), np.float32)
    first = float(np.float32(1e8) + np.float32(0.5) + np.float32(1))
    assert apart(rows).tolist() == [[first, 5.25]] * 3
    assert both(rows).tolist() == [[first, 7.25]] * 3


@pytest.mark.parametrize("rows", [1, 2, 127, 300])
def test_sums_of_onnx_are_those_of_numpy_to_the_last_bit(rows: int) -> None:
    """Of a tree of one leaf, missing values, and more rows than ONNX Runtime takes at a time."""
    features = np.where(X > 3, np.nan, X)
    forest = ExtraTreesRegressor(40, random_state=0, max_leaf_nodes=9).fit(features, X.iloc[:, 0])
    forest.estimators_.append(DecisionTreeRegressor(max_depth=1).fit(features[:1], [0.1]))
    sums = plan_of(forest, "predict", Flow(4))[1]
    asked = np.tile(features, (2, 1))[:rows].astype(np.float32)
    values = np.array([part.tree_.predict(asked)[:, 0] for part in forest.estimators_])
    assert isinstance(sums, TreeSums)
    assert np.array_equal(sums(asked)[:, 0], np.add.accumulate(values, axis=0)[-1])


def test_edges_of_sums_are_the_thresholds_alone() -> None:
    tree = DecisionTreeRegressor(max_depth=1, random_state=0).fit(X, Y)
    (edge,) = edges_of(Plan(plan_of(tree, "predict", Flow(4)), 4, None, False))
    assert edge == (tree.tree_.feature[0], float(round_down(tree.tree_.threshold[:1])[0]))


def test_edges_are_the_thresholds_in_terms_of_the_input() -> None:
    tree = DecisionTreeClassifier(max_depth=1, random_state=0).fit(X, Y)
    plan = Plan(plan_of(tree, "predict", Flow(4)), 4, [3, 2, 1, 0], False)
    (edge,) = edges_of(plan)
    assert edge == (3 - tree.tree_.feature[0], float(round_down(tree.tree_.threshold[:1])[0]))


def test_edges_are_found_behind_chosen_features_and_in_each_part() -> None:
    parts = [
        ("tree", DecisionTreeClassifier(max_depth=1)),
        ("other", DecisionTreeClassifier(max_depth=1, max_features=1, random_state=1)),
    ]
    chosen = make_pipeline(
        VarianceThreshold(0.5), StandardScaler(), VotingClassifier(parts, voting="soft")
    )
    steps = plan_of(chosen.fit(X, Y), "predict", Flow(4))
    kept = np.flatnonzero(chosen[0].get_support())
    found = edges_of(Plan(steps, 4, None, False))
    assert len(found) == 2 and {at for at, _ in found} <= set(kept.tolist())
    for at, value in found:
        assert X.iloc[:, at].min() < value < X.iloc[:, at].max()


@pytest.mark.parametrize("final", [DecisionTreeClassifier(), GaussianNB()])
def test_a_stack_below_a_model_with_thresholds_has_no_plan(final: Any) -> None:
    """The last digit of a share may differ, and would decide there."""
    stack = StackingClassifier([("line", LogisticRegression(max_iter=500))], final, cv=2)
    with pytest.raises(NotConvertedError, match="stacking below"):
        plan_of(stack.fit(X, Y), "predict", Flow(4))


class _Own(LogisticRegression):  # type: ignore[misc]
    def predict(self, *rows: Any) -> Any:
        return super().predict(*rows) + 1


def test_a_subclass_may_do_something_else_and_has_no_plan() -> None:
    with pytest.raises(NotConvertedError, match="_Own has no plan"):
        plan_of(_Own().fit(X, Y), "predict", Flow(4))


def test_a_plan_is_the_same_after_it_was_kept(tmp_path: Path) -> None:
    model = LogisticRegression(max_iter=300).fit(X, np.array(["a", "b", "c"], dtype=object)[Y])
    columns = Input(columns_of(X))
    plan = compile_model(Artifact(tmp_path, "sklearn", None), model, columns)
    write_plan(plan, tmp_path)
    again = build_predict(read_plan(tmp_path), columns)(rows_of(X))
    assert np.asarray(again).tolist() == model.predict(X).tolist()


def test_support_vectors_need_libsvm_alone_and_leave_scikit_learn_usable(tmp_path: Path) -> None:
    model = SVC().fit(X, Y)
    plan = compile_model(Artifact(tmp_path, "sklearn", None), model, Input(columns_of(X)))
    write_plan(plan, tmp_path)
    program = f"""
import sys
from pathlib import Path
from servestack_contract.settings import Input
from servestack_server.models.compiled.plan import build_predict, read_plan
predict = build_predict(read_plan(Path({str(tmp_path)!r})), Input())
first = predict([(5.1, 3.5, 1.4, 0.2)]).tolist()
alone = [name for name in ("sklearn", "pandas", "skops") if name in sys.modules]
from sklearn.svm import SVC
fitted = SVC().fit([[0.0], [1.0]], [4, 5])
print(first, alone, fitted.predict([[0.9]]).tolist(), predict([(5.1, 3.5, 1.4, 0.2)]).tolist())
"""
    run = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert run.stdout == "[0] [] [5] [0]\n"


def test_a_plan_that_answers_otherwise_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = LogisticRegression(max_iter=300).fit(X, Y)
    mlflow.sklearn.save_model(model, tmp_path / "m", pip_requirements=[])

    def of_another(artifact: Any, native: Any, given: Any) -> Plan:
        return compile_model(artifact, LogisticRegression(C=1e-3).fit(X, Y), given)

    monkeypatch.setattr(bake_module, "compile_model", of_another)
    said: list[str] = []
    assert not bake(
        tmp_path / "m", columns=columns_of(X), tensor=None, example=rows_of(X.head(3)),
        trust=Trust(), required=False, say=said.append,
    )  # fmt: skip
    assert "labels differ" in said[0]
    assert load(tmp_path / "m", X).runtime == "native"


def test_a_plan_that_answers_few_rows_otherwise_is_refused_as_well() -> None:
    """A call of many rows may go to a framework's library, and few do not."""

    def right(rows: Any) -> Any:
        return np.zeros(len(rows))

    def wrong(rows: Any) -> Any:
        return np.zeros(len(rows)) if len(rows) >= 64 else np.ones(len(rows))

    rows: list[Any] = [("a",)] * 100
    assert check_alike(right, wrong, rows, (Column("a", "string"),)) == 0.0
    with pytest.raises(DifferentError, match="63 of 63 numbers differ"):
        check_alike(right, wrong, rows, (Column("a", "string"),), at_most=63)


def test_without_an_example_a_plan_is_checked_at_its_edges(tmp_path: Path) -> None:
    tree = DecisionTreeClassifier(random_state=0).fit(X, Y)
    mlflow.sklearn.save_model(
        tree, tmp_path / "m", pip_requirements=[], skops_trusted_types=["sklearn.tree._tree.Tree"]
    )
    said: list[str] = []
    trust = Trust(skops_types=("sklearn.tree._tree.Tree",))
    bake(
        tmp_path / "m", columns=columns_of(X), tensor=None, example=None, trust=trust,
        required=False, say=said.append,
    )  # fmt: skip
    assert "served compiled" in said[0]
    assert load(tmp_path / "m", X, trust=trust).runtime == "compiled"


@pytest.mark.parametrize(
    ("types", "row", "expected"),
    [
        (("float", "float"), (0.1, 2), np.array([0.1, 2], dtype=np.float32)),
        (("float", "double"), (0.1, 0.1), np.array([np.float32(0.1), 0.1], dtype=np.float64)),
        (("long", "integer"), (2**53 + 1, 2), np.array([2**53 + 1, 2], dtype=np.int64)),
        (("long", "double"), (2**53 + 1, 2.5), np.array([2.0**53, 2.5])),
        (("boolean", "double"), (True, 2.5), np.array([1.0, 2.5])),
        (("boolean", "boolean"), (True, False), np.array([True, False])),
    ],
)
def test_an_array_has_the_type_that_pandas_finds(
    types: tuple[Any, ...], row: tuple[Any, ...], expected: Any
) -> None:
    columns = tuple(Column(f"c{at}", kind) for at, kind in enumerate(types))
    made = build_array_maker(Input(columns))([row])
    assert made.dtype == expected.dtype
    assert np.array_equal(made[0], expected)
    frame = pd.DataFrame(
        {f"c{at}": np.array([value], dtype=_PANDAS[kind]) for at, (kind, value) in enumerate(zip(types, row, strict=True))}
    )  # fmt: skip
    if frame.to_numpy().dtype != object:
        assert frame.to_numpy().dtype == made.dtype


_PANDAS = {"float": "float32", "double": "float64", "long": "int64", "integer": "int32", "boolean": "bool"}  # fmt: skip


def test_a_null_among_integers_is_nan() -> None:
    columns = (Column("a", "long", nullable=True), Column("b", "long"))
    made = build_array_maker(Input(columns), [1, 0])([(None, 3)])
    assert made.dtype == np.float64
    assert made[0, 0] == 3 and np.isnan(made[0, 1])
