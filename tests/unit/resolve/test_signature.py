"""The input that a signature of MLflow describes, and what the server gets of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from servestack.manifests.server_settings import server_settings
from servestack.resolve.signature import input_of
from servestack.spec.api import Input
from servestack_contract.settings import Tensor, to_plain
from tests.support.services import resolved


def tensor(dtype: str, shape: list[int], **name: str) -> dict[str, Any]:
    return {"type": "tensor", "tensor-spec": {"dtype": dtype, "shape": shape}, **name}


def described(*inputs: dict[str, Any]) -> dict[str, Any]:
    return input_of({"inputs": list(inputs)}).model_dump(exclude_defaults=True)


def test_tensors() -> None:
    one = {"dtype": "float32", "shape": (-1, 2)}
    assert described(tensor("float32", [-1, 2])) == {"tensor": one}
    assert described(tensor("float32", [-1, 2], name="a")) == {"tensor": one | {"name": "a"}}
    assert described(
        tensor("float32", [-1, 2], name="a"), tensor("str", [-1], name="b")
    ) == {
        "tensors": (
            one | {"name": "a"}, {"name": "b", "dtype": "str", "shape": (-1,)},
        )
    }  # fmt: skip


@pytest.mark.parametrize(
    "inputs",
    [
        [tensor("object", [-1, 2], name="a")],
        [tensor("float32", [-1, 2], name="a"), tensor("object", [-1], name="b")],
        [tensor("float32", [-1, 2]), tensor("float32", [-1, 3])],
        [tensor("float32", [], name="a")],
        [tensor("float32", [-1], name="a"), {"type": "double", "name": "b"}],
    ],
)
def test_what_is_not_described_is_not_checked(inputs: list[dict[str, Any]]) -> None:
    assert input_of({"inputs": inputs}) == Input()


_SIGNATURE = {
    "inputs": [{"name": "email", "type": "string"}],
    "params": [{"name": "user", "type": "string", "default": "", "shape": None}],
}


def test_names_of_the_signature_can_be_redacted(tmp_path: Path) -> None:
    redact = {"email": "hash", "user": "drop"}
    service = resolved(tmp_path, _redacting(redact), artifact={"signature": _SIGNATURE})
    events = server_settings(service).events
    assert events is not None
    assert events.predictions is not None
    assert events.predictions.redact == redact


def test_what_is_not_known_is_left_to_the_model(tmp_path: Path) -> None:
    """An ONNX graph may name its tensors itself."""
    service = resolved(tmp_path, _redacting({"x": "drop"}), artifact={"signature": None})
    assert service.input == Input()


def _redacting(redact: dict[str, str]) -> dict[str, Any]:
    return {"logging": {"predictions": {"redact": redact}}}


def test_the_server_gets_the_tensors_by_name(tmp_path: Path) -> None:
    written = [
        {"name": "a", "dtype": "float32", "shape": [-1, 2]},
        {"name": "b", "dtype": "str", "shape": [-1]},
    ]
    service = resolved(tmp_path, {"api": {"input": {"tensors": written}}})
    given = server_settings(service).input
    assert given.arrays == (Tensor("float32", (-1, 2), "a"), Tensor("str", (-1,), "b"))
    assert to_plain(given) == {"tensors": written}
