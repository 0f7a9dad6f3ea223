"""The bodies of language models, which stand alone: `{"messages": […], "temperature": 0.2}`.

Source: mlflow/pyfunc/utils/serving_data_parser.py of MLflow 3.17.
"""

from __future__ import annotations

from typing import Any

CHAT_KEYS = ("messages", "prompt", "input")
"""Keys by which MLflow recognises the body of a language model."""


class LoneBody(dict[str, Any]):
    """A body that a model of unknown input gets as it is: it is the only row of its request."""


def is_chat(body: Any) -> bool:
    """Whether a decoded body is that of a language model, whose answer MLflow does not wrap."""
    return isinstance(body, dict) and any(key in body for key in CHAT_KEYS)
