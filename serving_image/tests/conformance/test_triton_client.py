"""NVIDIA's client of the Open Inference Protocol, with tensors in JSON and in binary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from serving_image.tests.support.iris import Iris
from serving_image.tests.support.server import RunningServer
from tritonclient.utils import InferenceServerException


@pytest.fixture
def client(server: RunningServer) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(server.address) as found:
        yield found


def test_health(client: triton.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("iris")
    assert client.is_model_ready("iris", "4")
    assert not client.is_model_ready("iris", "5")
    assert not client.is_model_ready("rose")


def test_metadata(client: triton.InferenceServerClient) -> None:
    server = client.get_server_metadata()
    assert server["name"] and server["version"]
    assert "binary_tensor_data" in server["extensions"]
    model = client.get_model_metadata("iris")
    assert (model["name"], model["versions"]) == ("iris", ["4"])
    assert model["platform"]
    assert model == client.get_model_metadata("iris", "4")
    for tensor in [*model["inputs"], *model["outputs"]]:
        assert set(tensor) >= {"name", "datatype", "shape"}


def test_metadata_of_an_unknown_model(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException) as caught:
        client.get_model_metadata("rose")
    assert caught.value.status() == "404"


def test_config_is_triton_s_own(client: triton.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException) as caught:
        client.get_model_config("iris")
    assert caught.value.status() == "404"


@pytest.mark.parametrize("binary_input", [False, True])
@pytest.mark.parametrize("binary_output", [False, True])
@pytest.mark.parametrize("version", ["", "4"])
def test_infer(
    client: triton.InferenceServerClient,
    iris: Iris,
    binary_input: bool,
    binary_output: bool,
    version: str,
) -> None:
    metadata = client.get_model_metadata("iris")
    inputs = tensors(metadata, iris.rows[:12], binary=binary_input)
    name = metadata["outputs"][0]["name"]
    wanted = [triton.InferRequestedOutput(name, binary_data=binary_output)]
    result = client.infer("iris", inputs, version, wanted, request_id="request-1")
    answer = result.get_response()
    assert (answer["model_name"], answer["model_version"]) == ("iris", "4")
    assert answer["id"] == "request-1"
    (output,) = answer["outputs"]
    assert ("data" not in output) is binary_output
    assert output["datatype"] == metadata["outputs"][0]["datatype"]
    assert result.as_numpy(name).ravel().tolist() == iris.classes[:12]


def test_infer_without_requested_outputs(client: triton.InferenceServerClient, iris: Iris) -> None:
    """tritonclient then asks for all outputs in binary."""
    metadata = client.get_model_metadata("iris")
    result = client.infer("iris", tensors(metadata, iris.rows[:3], binary=True))
    name = metadata["outputs"][0]["name"]
    assert result.as_numpy(name).ravel().tolist() == iris.classes[:3]


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compressed_request_and_answer(
    client: triton.InferenceServerClient, iris: Iris, algorithm: str
) -> None:
    metadata = client.get_model_metadata("iris")
    result = client.infer(
        "iris",
        tensors(metadata, iris.rows, binary=True),
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )
    name = metadata["outputs"][0]["name"]
    assert result.as_numpy(name).ravel().tolist() == iris.classes


def test_async_inference(client: triton.InferenceServerClient, iris: Iris) -> None:
    metadata = client.get_model_metadata("iris")
    name = metadata["outputs"][0]["name"]
    waiting = [
        client.async_infer("iris", tensors(metadata, [row], binary=True)) for row in iris.rows[:8]
    ]
    found = [one.get_result().as_numpy(name).ravel().tolist() for one in waiting]
    assert found == [[kind] for kind in iris.classes[:8]]


def test_one_matrix_for_all_columns(client: triton.InferenceServerClient, iris: Iris) -> None:
    """Most callers of a table model send it as one tensor."""
    matrix = np.array(iris.rows[:5])
    given = triton.InferInput("input", matrix.shape, "FP64").set_data_from_numpy(matrix)
    result = client.infer("iris", [given])
    name = result.get_response()["outputs"][0]["name"]
    assert result.as_numpy(name).ravel().tolist() == iris.classes[:5]


def test_errors_are_told(client: triton.InferenceServerClient, iris: Iris) -> None:
    metadata = client.get_model_metadata("iris")
    good = tensors(metadata, iris.rows[:1], binary=True)
    cases: list[tuple[str, str, list[Any], str]] = [
        ("rose", "", good, "404"),
        ("iris", "5", good, "404"),
        ("iris", "", [matrix(np.full((1, 3), 5.0))], "422"),
        ("iris", "", [matrix(np.full((1, 4), -5.0))], "422"),
        ("iris", "", [matrix(np.array([["a", "b", "c", "d"]], dtype=object), "BYTES")], "422"),
    ]
    for name, version, inputs, status in cases:
        with pytest.raises(InferenceServerException) as caught:
            client.infer(name, inputs, version)
        assert caught.value.status() == status, (name, version)
        # The protocol's error is one string, and clients show it as it is.
        assert isinstance(caught.value.message(), str)
    assert client.is_server_live()


def test_binary_data_of_a_wrong_length(server: RunningServer) -> None:
    """The header says more bytes than there are: no client sends it, every fuzzer does."""
    head = (
        b'{"inputs":[{"name":"input","shape":[1,4],"datatype":"FP64",'
        b'"parameters":{"binary_data_size":32}}]}'
    )
    for length, tail in [(len(head), b"\0" * 31), (len(head), b"\0" * 33), (len(head) + 99, b"")]:
        headers = {
            "Inference-Header-Content-Length": str(length),
            "Content-Type": "application/octet-stream",
        }
        answer = server.post("/v2/models/iris/infer", head + tail, headers)
        assert answer.status in (400, 422), answer.body
        assert isinstance(answer.json()["error"], str)


def tensors(metadata: dict[str, Any], rows: list[list[float]], *, binary: bool) -> list[Any]:
    """The rows in the tensors that the model says it takes: one, or one for each column."""
    table = np.array(rows)
    described = metadata["inputs"]
    if len(described) == 1:
        return [matrix(table, described[0]["datatype"], described[0]["name"], binary=binary)]
    return [
        matrix(
            table[:, index].reshape([-1] + [1] * (len(tensor["shape"]) - 1)),
            tensor["datatype"],
            tensor["name"],
            binary=binary,
        )
        for index, tensor in enumerate(described)
    ]


def matrix(
    values: np.ndarray[Any, Any],
    datatype: str = "FP64",
    name: str = "input",
    *,
    binary: bool = True,
) -> Any:
    types = {"FP64": np.float64, "FP32": np.float32, "BYTES": np.object_}
    values = np.ascontiguousarray(values, dtype=types[datatype])
    return triton.InferInput(name, list(values.shape), datatype).set_data_from_numpy(
        values, binary_data=binary
    )
