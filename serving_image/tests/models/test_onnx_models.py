"""ONNX models: one array, one input a column, labels or scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow.onnx
import mlflow.sklearn
import numpy as np
import pytest
from onnx import TensorProto, helper
from serving_image.tests.models.model_support import imported_after_loading, iris, load
from skl2onnx import to_onnx
from sklearn.ensemble import RandomForestClassifier

from servestack_contract.settings import Column, Input, Tensor
from servestack_server.errors import StartError
from servestack_server.input.tensor_rows import TensorRows

ROWS = [tuple(row) for row in iris()[0].to_numpy().tolist()]


def _forest() -> Any:
    features, classes = iris()
    return RandomForestClassifier(10, random_state=0).fit(features.to_numpy(), classes)


def _converted(**options: Any) -> Any:
    return to_onnx(_forest(), np.zeros((1, 4), np.float32), options=options or None)


def test_a_classifier_answers_labels_and_nothing_else_is_imported(tmp_path: Path) -> None:
    mlflow.onnx.save_model(_converted(), tmp_path / "m", pip_requirements=[])
    model = load(tmp_path / "m", iris()[0])
    answered = mlflow.pyfunc.load_model(str(tmp_path / "m")).predict(
        np.array(ROWS, dtype=np.float32)
    )
    assert (model.flavor, model.runtime) == ("onnx", "onnx")
    assert np.array_equal(model.predict(ROWS), answered["output_label"])
    names = ("onnxruntime", "onnx", "sklearn", "pandas", "mlflow", "scipy")
    assert imported_after_loading(tmp_path / "m", list(iris()[0]), names) == ["onnxruntime"]


@pytest.mark.parametrize("zipmap", [True, False])
def test_predict_proba_asks_for_the_scores(tmp_path: Path, zipmap: bool) -> None:
    mlflow.onnx.save_model(_converted(zipmap=zipmap), tmp_path / "m", pip_requirements=[])
    file = tmp_path / "m" / "MLmodel"
    file.write_text(
        file.read_text().replace(
            "loader_module: mlflow.onnx",
            "loader_module: mlflow.onnx\n    predict_fn: predict_proba",
        )
    )
    answer = np.asarray(load(tmp_path / "m", iris()[0]).predict(ROWS))
    assert np.allclose(answer, _forest().predict_proba(np.array(ROWS)), atol=1e-5)


def _two_inputs() -> Any:
    """A whole number for each row, which is doubled, and a text, which is passed on."""
    inputs = [
        helper.make_tensor_value_info("count", TensorProto.INT64, [None, 1]),
        helper.make_tensor_value_info("town", TensorProto.STRING, [None]),
    ]
    outputs = [
        helper.make_tensor_value_info("double_count", TensorProto.INT64, [None, 1]),
        helper.make_tensor_value_info("same_town", TensorProto.STRING, [None]),
    ]
    nodes = [
        helper.make_node("Add", ["count", "count"], ["double_count"]),
        helper.make_node("Identity", ["town"], ["same_town"]),
    ]
    graph = helper.make_graph(nodes, "two", inputs, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def test_inputs_are_filled_by_column_name_and_outputs_are_named(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(_two_inputs().SerializeToString())
    columns = (Column("town", "string"), Column("unused", "double"), Column("count", "long"))
    answer = load(tmp_path / "model.onnx", columns=columns).predict(
        [("Bonn", 0.5, 2), ("Ulm", 0.5, 3)]
    )
    assert isinstance(answer, dict)
    assert {name: values.tolist() for name, values in answer.items()} == {
        "double_count": [4, 6],
        "same_town": ["Bonn", "Ulm"],
    }


def test_several_inputs_are_what_the_graph_says_unless_something_else_is_given(
    tmp_path: Path,
) -> None:
    (tmp_path / "model.onnx").write_bytes(_two_inputs().SerializeToString())
    model = load(tmp_path / "model.onnx")
    assert model.input == Input(
        tensors=(Tensor("int64", (-1, 1), "count"), Tensor("str", (-1,), "town"))
    )
    counts = np.array([[2], [3]])
    rows = TensorRows({"town": np.array(["Bonn", "Ulm"], object), "count": counts})
    answer = model.predict(rows)
    assert answer["double_count"].tolist() == [[4], [6]]
    assert answer["same_town"].tolist() == ["Bonn", "Ulm"]
    with pytest.raises(StartError, match=r"2 inputs \(count, town\)"):
        load(tmp_path / "model.onnx", tensor=Tensor("int64", (-1, 1)))
    of_a_chain: Any = [[2, "Bonn"], [3, "Ulm"]]
    assert model.predict(of_a_chain)["double_count"].tolist() == [[4], [6]]
    others = (Tensor("int64", (-1, 1), "count"), Tensor("str", (-1,), "city"))
    with pytest.raises(StartError, match="name the tensors as the model does"):
        load(tmp_path / "model.onnx", tensors=others)


def _same(shapes: dict[str, list[Any]], kind: int = TensorProto.FLOAT) -> bytes:
    """A graph that passes all of its inputs on."""
    graph = helper.make_graph(
        [helper.make_node("Identity", [name], [f"same_{name}"]) for name in shapes],
        "same",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in shapes.items()],
        [
            helper.make_tensor_value_info(f"same_{name}", kind, shape)
            for name, shape in shapes.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    data: bytes = model.SerializeToString()
    return data


@pytest.mark.parametrize("size", [1, 2])
def test_several_inputs_of_a_fixed_batch_are_padded_and_cut(tmp_path: Path, size: int) -> None:
    (tmp_path / "model.onnx").write_bytes(_same({"a": [size, 2], "b": [size, 1, 3]}))
    model = load(tmp_path / "model.onnx")
    assert [tensor.shape for tensor in model.input.tensors] == [(-1, 2), (-1, 1, 3)]
    given = {
        "a": np.arange(6, dtype=np.float32).reshape(3, 2),
        "b": np.arange(9, dtype=np.float32).reshape(3, 1, 3),
    }
    answer = model.predict(TensorRows(given))
    assert answer["same_a"].tolist() == given["a"].tolist()
    assert answer["same_b"].tolist() == given["b"].tolist()


def test_an_image_model_without_a_signature_describes_its_input(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(_same({"image": ["n", 3, "h", 4]}, TensorProto.UINT16))
    assert load(tmp_path / "model.onnx").input == Input(
        tensor=Tensor("uint16", (-1, 3, -1, 4), "image")
    )


def test_an_input_without_rows_is_not_described(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(_same({"x": ["n", 2], "rate": []}))
    with pytest.raises(StartError, match="input 'rate' has no axis for rows"):
        load(tmp_path / "model.onnx")


def _sums(shape: list[int], axes: list[int]) -> bytes:
    """A graph that sums its input over some axes, without keeping them."""
    kept = [size for at, size in enumerate(shape) if at not in axes]
    graph = helper.make_graph(
        [helper.make_node("ReduceSum", ["x", "axes"], ["y"], keepdims=0)],
        "sum",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, kept)],
        [helper.make_tensor("axes", TensorProto.INT64, [len(axes)], axes)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    data: bytes = model.SerializeToString()
    return data


@pytest.mark.parametrize(("axes", "shape"), [([0], (3, 2)), ([0, 1], (3,))])
def test_a_graph_of_one_row_may_answer_without_an_axis_for_it(
    tmp_path: Path, axes: list[int], shape: tuple[int, ...]
) -> None:
    (tmp_path / "model.onnx").write_bytes(_sums([1, 2], axes))
    model = load(tmp_path / "model.onnx")
    rows = np.arange(6, dtype=np.float32).reshape(3, 2)
    expected = rows.sum(axis=1) if len(shape) == 1 else rows
    for answer in (model.predict(rows), model.named(rows)["y"]):
        assert answer.shape == shape
        assert answer.tolist() == expected.tolist()
    # As mlflow.onnx answers: what the graph returns.
    assert np.shape(model.whole.predict(rows[:1])["y"]) == shape[1:]


def test_a_graph_without_a_batch_is_asked_with_all_of_its_first_axis(tmp_path: Path) -> None:
    """Filled up to the first axis, it would answer for rows that nobody has sent."""
    (tmp_path / "model.onnx").write_bytes(_sums([2, 3], [0]))
    model = load(tmp_path / "model.onnx")
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert not model.whole.by_row
    assert model.whole.predict(array)["y"].tolist() == [3, 5, 7]
    for call in (model.predict, model.named, model.whole.predict):
        for wrong in (array[:1], np.concatenate([array, array])):
            with pytest.raises(ValueError, match="exactly 2 entries in the first axis"):
                call(wrong)


def test_whole_numbers_that_the_graph_cannot_hold_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(_same({"x": ["n"]}, TensorProto.INT32))
    model = load(tmp_path / "model.onnx", tensor=Tensor("int64", (-1,)))
    assert model.predict(np.array([7])).tolist() == [7]
    with pytest.raises(ValueError, match="does not fit the model's int32"):
        model.predict(np.array([2**40]))


def test_a_tensor_goes_in_whole(tmp_path: Path) -> None:
    shape = [None, 2, 2]
    graph = helper.make_graph(
        [helper.make_node("ReduceSum", ["x"], ["y"], keepdims=0, noop_with_empty_axes=1)],
        "sum",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    array = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    loaded = load(tmp_path / "model.onnx", tensor=Tensor("float32", (-1, 2, 2)))
    assert np.array_equal(loaded.predict(array), array)


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("zipmap", [True, False])
def test_a_graph_of_a_fixed_batch_takes_any_number_of_rows(
    tmp_path: Path, size: int, zipmap: bool
) -> None:
    model = _converted(zipmap=zipmap)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = size
    for output in model.graph.output:
        if output.type.HasField("tensor_type"):
            output.type.tensor_type.shape.dim[0].dim_value = size
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    expected = load(_plain(tmp_path, zipmap), iris()[0]).predict(ROWS[:7])
    loaded = load(tmp_path / "model.onnx", iris()[0])
    assert np.array_equal(loaded.predict(ROWS[:7]), expected)
    assert np.array_equal(loaded.predict(ROWS[:1]), expected[:1])


def _plain(folder: Path, zipmap: bool) -> Path:
    (folder / "plain.onnx").write_bytes(_converted(zipmap=zipmap).SerializeToString())
    return folder / "plain.onnx"


def test_a_tensor_of_a_fixed_batch_is_padded_and_cut(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "same",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    array = np.arange(9, dtype=np.float32).reshape(3, 3)
    loaded = load(tmp_path / "model.onnx", tensor=Tensor("float32", (-1, 3)))
    assert np.array_equal(loaded.predict(array), array)


def test_an_output_for_all_rows_is_answered_whole(tmp_path: Path) -> None:
    """The graph says so: its rows are not to be predicted with those of other requests."""
    outputs = [
        helper.make_tensor_value_info("mean", TensorProto.FLOAT, []),
        helper.make_tensor_value_info("same", TensorProto.FLOAT, [None, 3]),
    ]
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], keepdims=0),
        helper.make_node("Identity", ["x"], ["same"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])
    graph = helper.make_graph(nodes, "mean", [x], outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    loaded = load(tmp_path / "model.onnx", tensor=Tensor("float32", (-1, 3)))
    assert not loaded.whole.by_row
    assert loaded.whole.predict(array)["mean"] == np.float32(2.5)
    named = load(tmp_path / "model.onnx", tensor=Tensor("float32", (-1, 3)), outputs=("same",))
    assert np.array_equal(named.predict(array), array)


def test_the_owners_outputs_are_those_of_the_graph(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(_converted().SerializeToString())
    with pytest.raises(StartError, match="has no output 'shares'; its outputs are output_label, "):
        load(tmp_path, iris()[0], outputs=("shares",))
    model = load(tmp_path, iris()[0], outputs=("output_probability",))
    assert model.predict(ROWS).shape == (150, 3)


def test_other_models_have_no_outputs_by_name(tmp_path: Path) -> None:
    mlflow.sklearn.save_model(
        _forest(), tmp_path / "m", pip_requirements=[], serialization_format="cloudpickle"
    )
    with pytest.raises(StartError, match=r"api\.outputs names outputs of an ONNX graph"):
        load(tmp_path / "m", iris()[0], outputs=("label",))


def test_a_number_that_the_graph_cannot_hold_is_refused(tmp_path: Path) -> None:
    model = load(_plain(tmp_path, True), iris()[0])
    with pytest.raises(ValueError, match="too large for the model's float32"):
        model.predict([(1e39, 1.0, 1.0, 1.0)])


def test_a_broken_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(StartError, match=r"ONNX Runtime .* cannot load it") as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


def test_the_number_of_threads_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.onnx").write_bytes(_two_inputs().SerializeToString())
    monkeypatch.setenv("SERVESTACK_THREADS", "many")
    with pytest.raises(StartError, match="SERVESTACK_THREADS is 'many'"):
        load(tmp_path)
