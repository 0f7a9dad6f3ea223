"""Runs KServe's REST client against a server, and writes what it got as JSON.

python kserve_client.py URL < {"columns": [[…], …], "names": […], "matrix": [[…], …]}
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig


async def main(url: str, given: dict[str, Any]) -> dict[str, Any]:
    async with InferenceRESTClient(RESTConfig(protocol="v2", retries=1)) as client:
        found: dict[str, Any] = {
            "live": await client.is_server_live(url),
            "ready": await client.is_server_ready(url),
            "model_ready": await client.is_model_ready(url, "iris"),
        }
        for binary in (False, True):
            inputs = [
                tensor(name, values, binary)
                for name, values in zip(given["names"], given["columns"], strict=True)
            ]
            request = InferRequest("iris", inputs, request_id="request-1")
            response = await client.infer(url, request, model_name="iris")
            (output,) = response.outputs
            found["binary" if binary else "json"] = {
                "model": response.model_name,
                "id": response.id,
                "values": output.as_numpy().ravel().tolist(),
            }
        matrix = InferRequest("iris", [tensor("input", given["matrix"], True)])
        response = await client.infer(url, matrix, model_name="iris")
        found["matrix"] = response.outputs[0].as_numpy().ravel().tolist()
        try:
            await client.infer(url, matrix, model_name="rose")
        except httpx.HTTPStatusError as error:
            found["unknown"] = [error.response.status_code, str(error)]
        return found


def tensor(name: str, values: list[Any], binary: bool) -> InferInput:
    array = np.array(values, dtype=np.float64)
    given = InferInput(name, list(array.shape), "FP64")
    given.set_data_from_numpy(array, binary_data=binary)
    return given


if __name__ == "__main__":
    json.dump(asyncio.run(main(sys.argv[1], json.load(sys.stdin))), sys.stdout)
