"""The params of a request: values beside its rows, which the model gets with them.

    {"inputs": […], "params": {"temperature": 0.2}}      any of the forms that name their rows
    {"messages": […], "temperature": 0.2}                the bodies of language models, as in MLflow

Source: `_split_data_and_params` in mlflow/pyfunc/scoring_server of MLflow 3.17. There, unknown params
are ignored; here they are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from servestack_contract.example_tensors import FORMS
from servestack_contract.moments import in_microseconds
from servestack_contract.settings import Param
from servestack_contract.values import Check, DescriptionError, checked_type, part_check
from servestack_contract.wrong_values import WrongValueError, listed
from servestack_server.errors import StartError
from servestack_server.input.language_models import is_chat
from servestack_server.input.problems import invalid


class Params:
    """The params of one request by name, with defaults. Equal ones have the same `json`.

    Python would take 1, 1.0 and true for equal.
    """

    __slots__ = ("json", "values")

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values
        self.json = msgspec.json.encode(values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Params) and self.json == other.json

    def __hash__(self) -> int:
        return hash(self.json)


NO_PARAMS = Params({})
"""For a model that gets a mapping of params, and has none."""


class ParamsSchema:
    """Reads params, and fills in defaults. Raises StartError for bounds that do not fit a type."""

    def __init__(self, params: tuple[Param, ...]) -> None:
        try:
            for param in params:
                checked_type(param, param.name)
        except DescriptionError as error:
            raise StartError(str(error)) from None
        self._checks = {param.name: _check_of(param) for param in params}
        self._defaults = {param.name: param.default for param in params}
        self.defaults = Params(self._defaults)

    def taken_from(self, body: Any) -> Params:
        """Take the params out of a decoded body. Raises RequestError (422) for those that do not fit."""
        if not isinstance(body, dict):
            return self.defaults
        if any(key in body for key in FORMS):
            return self.read(body.pop("params", None))
        if not is_chat(body):
            return self.defaults
        return self.read({name: body.pop(name) for name in [*self._checks] if name in body})

    def known(self, given: Mapping[str, Any] | None) -> Params:
        """Read the params among other parameters, which are ignored. Raises RequestError (422)."""
        named = {name: value for name, value in (given or {}).items() if name in self._checks}
        return self.read(named)

    def read(self, given: Any) -> Params:
        """Read params by name. Raises RequestError (422) for one that is unknown or does not fit."""
        if not given and given in (None, {}):
            return self.defaults
        if not isinstance(given, dict):
            raise invalid("wrong_type", "expected an object", field="params")
        values = dict(self._defaults)
        for name, value in given.items():
            check = self._checks.get(name)
            if check is None:
                names = listed([*self._checks])
                message = f"there is no param {name!r}; the params are {names}"
                raise invalid("unknown_param", message, field=f"params.{name}")
            try:
                values[name] = check(value)
            except WrongValueError as error:
                place = name + error.path
                message = f"param {place!r}: {error.message}"
                raise invalid(error.code, message, field=f"params.{place}") from None
        return Params(values)


def _check_of(param: Param) -> Check:
    """Return the check of a param, whose dates MLflow gives to a model in microseconds."""
    check = part_check(param)
    kinds = (param.type, param.items.type if param.items is not None else None)
    return (lambda value: _in_microseconds(check(value))) if "datetime" in kinds else check


def _in_microseconds(value: Any) -> Any:
    if isinstance(value, list):
        return [_in_microseconds(item) for item in value]
    return None if value is None else in_microseconds(value)
