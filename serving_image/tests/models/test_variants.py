"""PyTorch and Keras models, each saved, loaded and served where its framework is installed."""

from __future__ import annotations

from pathlib import Path

from serving_image.tests.models.variant import run_in_variant

_LOAD = """
import sys
from pathlib import Path
import numpy as np
from servestack_contract.settings import Column, Tensor, Trust
from servestack_server.errors import StartError
from servestack_server.models.load import load_model

folder = Path({folder!r})
X = np.array([[5.1, 3.5, 1.4, 0.2], [6.1, 3.0, 4.9, 1.8], [5.9, 2.8, 5.1, 1.7]], np.float32)

def load(name, *, trust=Trust(), tensor=Tensor("float32", (-1, 4)), columns=None):
    return load_model(folder / name, name=name, version="1", digest="", columns=columns,
        tensor=tensor, runtime="auto", trust=trust)

def refused(name, message):
    try:
        load(name)
    except StartError as error:
        assert message in str(error), error
    else:
        raise SystemExit(f"{{name}} was loaded")
"""

_SERVE = """
import json, socket, subprocess, time, urllib.request
TENSOR = {{"tensor": {{"dtype": "float32", "shape": [-1, 4]}}, "example": X.tolist()}}

def served(name, *bodies, given=TENSOR):
    # The answers to the bodies, in a list.
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    config = folder / "service.json"
    config.write_text(json.dumps({{
        "name": name, "models": [{{"name": name, "path": str(folder / name)}}],
        "input": given,
    }}))
    process = subprocess.Popen([sys.executable, "-m", "servestack_server", "serve",
        f"--config={{config}}", f"--port={{port}}", "--host=127.0.0.1"])
    try:
        while process.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{{port}}/readyz").close()
                break
            except OSError:
                time.sleep(0.1)
        return [
            json.load(urllib.request.urlopen(f"http://127.0.0.1:{{port}}/v1/{{name}}/predict",
                json.dumps(body).encode()))["predictions"]
            for body in bodies
        ]
    finally:
        process.terminate()
        assert process.wait(30) == 0
"""

_PYTORCH = """
import torch, mlflow.pytorch
torch.manual_seed(0)
module = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
mlflow.pytorch.save_model(module, folder / "pickled", serialization_format="pickle",
    pip_requirements=[])
mlflow.pytorch.save_model(module, folder / "exported", serialization_format="pt2",
    input_example=X, pip_requirements=[])
refused("pickled", "trust: {pickle: true}")
expected = module(torch.from_numpy(X)).detach().numpy()
for name, trust in (("pickled", Trust(pickle=True)), ("exported", Trust())):
    model = load(name, trust=trust)
    assert model.flavor == "pytorch"
    assert np.allclose(model.predict(X), expected, atol=1e-6)
    by_mlflow = mlflow.pyfunc.load_model(str(folder / name)).predict(X)
    assert np.allclose(model.predict(X), by_mlflow, atol=1e-6)
columns = tuple(Column(name, "double") for name in "abcd")
rows = [tuple(row) for row in X.tolist()]
model = load("exported", columns=columns, tensor=None)
assert np.allclose(model.predict(rows), expected, atol=1e-6)

assert np.allclose(served("exported", {"inputs": X.tolist()})[0], expected, atol=1e-5)
try:
    load_model(folder / "exported", name="exported", version="1", digest="", columns=None,
        tensor=None, tensors=(Tensor("float32", (-1, 2), "a"), Tensor("float32", (-1, 2), "b")),
        runtime="auto", trust=Trust())
except StartError as error:
    assert "flavor pytorch hands a model one array" in str(error), error
else:
    raise SystemExit("PyTorch took several tensors")

import zipfile
exported = next((folder / "exported").rglob("*.pt2"))
with zipfile.ZipFile(exported) as archive:
    names = archive.namelist()
    records = {name: archive.read(name) for name in names}
payload = next(name for name in names if name.endswith(".pt"))
import io
import pickle
class Evil:
    def __reduce__(self):
        return (print, ("RAN",))
buffer = io.BytesIO()
torch.save({"x": Evil()}, buffer)
records[payload] = buffer.getvalue()
with zipfile.ZipFile(exported, "w") as archive:
    for name, content in records.items():
        archive.writestr(name, content)
refused("exported", "cannot be loaded")
print("as expected")
"""

_KERAS = """
import os
os.environ["KERAS_BACKEND"] = "jax"
import keras, mlflow.keras
keras.utils.set_random_seed(0)
def network(*extra):
    return keras.Sequential([keras.Input((4,)), *extra, keras.layers.Dense(3)])
module = network(keras.layers.Dense(8, activation="relu"))
mlflow.keras.save_model(module, str(folder / "safe"), pip_requirements=[])
mlflow.keras.save_model(network(keras.layers.Lambda(lambda x: x * 2)), str(folder / "lambda"),
    pip_requirements=[])
expected = module.predict(X, verbose=0)
model = load("safe")
assert (model.flavor, model.runtime) == ("keras", "native")
assert np.allclose(model.predict(X), expected, atol=1e-5)
by_mlflow = mlflow.pyfunc.load_model(str(folder / "safe")).predict(X)
assert np.allclose(model.predict(X), by_mlflow, atol=1e-5)
assert np.allclose(served("safe", {"inputs": X.tolist()})[0], expected, atol=1e-5)

from servestack_server.input.tensor_rows import TensorRows
# Functional models with two inputs, in a list and in a mapping, without a signature.
from mlflow.models import infer_signature
a, b = keras.Input((2,), name="a"), keras.Input((2, 1), name="b")
joined = keras.layers.Dense(3)(keras.layers.Concatenate()([a, keras.layers.Flatten()(b)]))
two = {"a": X[:, :2], "b": X[:, 2:, None]}
lists = {name: values.tolist() for name, values in two.items()}
records = [dict(zip(lists, row)) for row in zip(*lists.values())]
for name, inputs in (("listed", [b, a]), ("named", {"a": a, "b": b})):
    model = keras.Model(inputs, joined)
    mlflow.keras.save_model(model, str(folder / name), pip_requirements=[],
        signature=infer_signature(two))
    by_mlflow = mlflow.pyfunc.load_model(str(folder / name)).predict(two)
    assert np.allclose(load(name, tensor=None).predict(TensorRows(two)), by_mlflow, atol=1e-5)
for answer in served("listed", {"inputs": lists}, {"instances": records}, given={}):
    assert np.allclose(answer, by_mlflow, atol=1e-5)

# Several outputs, in a list and in a mapping: one object for each row.
x = keras.Input((4,), name="x")
shares = keras.layers.Dense(3, activation="softmax", name="shares")
size = keras.layers.Dense(3, name="size")
made = [shares(x), size(x)]
for name, outputs in (("both", made), ("mapped", dict(zip(("shares", "size"), made)))):
    model = keras.Model(x, outputs)
    mlflow.keras.save_model(model, str(folder / name), pip_requirements=[])
    wanted = [keras.ops.convert_to_numpy(layer(X)) for layer in (shares, size)]
    for rows in (X, X[:2], X[:1]):
        answer = load(name).predict(rows)
        assert list(answer) == ["shares", "size"], answer
        for found, expected in zip(answer.values(), wanted):
            assert np.allclose(found, expected[:len(rows)], atol=1e-5)
(objects,) = served("both", {"inputs": X.tolist()})
assert [list(one) for one in objects] == [["shares", "size"]] * 3, objects
assert np.allclose([one["size"] for one in objects], wanted[1], atol=1e-5)

class Pair(keras.Model):
    # A subclass has no names for its outputs.
    def call(self, x):
        return x, x * 2

from servestack_server.models.flavors.keras import _by_name
assert list(_by_name(Pair()(X), ())) == ["output_0", "output_1"]
assert _by_name(Pair()(X)[0], ()) is None

# Rows of any rank, as the first layer describes them.
image = keras.Sequential([keras.Input((4, None, 1)), keras.layers.GlobalMaxPooling2D()])
mlflow.keras.save_model(image, str(folder / "image"), pip_requirements=[])
described = load("image", tensor=None).input.tensor
assert (described.dtype, described.shape) == ("float32", (-1, 4, -1, 1)), described
refused("lambda", "trust: {pickle: true}")
assert load("lambda", trust=Trust(pickle=True)).predict(X).shape == (3, 3)
print("as expected")
"""


def test_pytorch_modules_pickled_and_exported(tmp_path: Path) -> None:
    program = (_LOAD + _SERVE).format(folder=str(tmp_path)) + _PYTORCH
    answer = run_in_variant("pytorch", program, needs_gib=10)
    assert answer.split("\n")[-2] == "as expected"
    assert "RAN" not in answer


def test_keras_models_without_and_with_lambdas(tmp_path: Path) -> None:
    program = (_LOAD + _SERVE).format(folder=str(tmp_path)) + _KERAS
    answer = run_in_variant("keras", program, needs_gib=3)
    assert answer.split("\n")[-2] == "as expected"
