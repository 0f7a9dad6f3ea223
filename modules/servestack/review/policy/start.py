"""Rules on what would keep a pod from starting: fetch and the server refuse the same.

`tests/served/test_clean_starts.py` starts the server on what these rules pass.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

from servestack.manifests.server_settings import is_in_image, mlflow_uri
from servestack.resolve.resolved import ResolvedModel
from servestack.resolve.signature import input_of
from servestack.review.policy.artifacts import artifact_path
from servestack.review.policy.rule import Subject, Violation, rule
from servestack_contract.example import example_fault
from servestack_contract.mlmodel import CONVERTED, OF_SEVERAL_TENSORS, SERVED_FLAVORS, USE_PARAMS
from servestack_contract.references import (
    entry_names,
    redactable,
    unknown_redactions,
    unknown_router_columns,
)
from servestack_contract.settings import NESTED_TYPES, Column, Param
from servestack_contract.sources import MAX_DOWNLOAD_BYTES, why_not_fetched
from servestack_contract.values import DescriptionError, checked_type

_NEED_FEATURES = ("sklearn", "xgboost", "lightgbm", "catboost", "onnx")
"""Flavors whose models may know the names of their features."""


def fetched(subject: Subject) -> Iterator[tuple[int, ResolvedModel]]:
    """Yield (position, model) of the models that are not in the image, of which the lock knows."""
    for index, model in enumerate(subject.service.models):
        if not is_in_image(model):
            yield index, model


@rule("SRV626", "error", "is fetched from an address that fetch reads")
def fetched_addresses(subject: Subject) -> Iterator[Violation]:
    for index, model in fetched(subject):
        artifact = model.artifact
        source = artifact.source or artifact.uri
        if refusal := why_not_fetched(source):
            yield Violation(artifact_path(subject, index), refusal.message, refusal.hint)
        elif artifact.size_bytes > MAX_DOWNLOAD_BYTES:
            yield Violation(
                artifact_path(subject, index),
                f"it has {artifact.size_bytes:,} bytes, and fetch reads {MAX_DOWNLOAD_BYTES:,} at most",
                "put a model of this size into the image",
            )
        elif urlsplit(source).scheme == "mlflow-artifacts" and not _is_web(subject):
            yield Violation(
                ("mlflow",),
                "MLflow serves the artifact, and pods have no http or https address of MLflow",
                "set mlflow.clusterUri",
                environment=True,
            )


def _is_web(subject: Subject) -> bool:
    return urlsplit(mlflow_uri(subject.service)).scheme in ("http", "https")


@rule("SRV627", "error", "trusts what its artifacts need to be loaded")
def needed_trust(subject: Subject) -> Iterator[Violation]:
    trust = subject.service.spec.trust
    for _, model in fetched(subject):
        loading = model.artifact.loading
        if loading is None:
            continue
        by_mlflow = subject.settings.params and model.artifact.flavor == "pytorch"
        if (loading.trust == "pickle" or by_mlflow) and not trust.pickle:
            yield Violation(
                ("trust", "pickle"),
                f"{model.name} is a pickle, which can run any code when it is read",
                "save it in a safe format (skops, native, onnx), or, if you made this artifact, "
                "write trust: {pickle: true}",
            )
        elif loading.trust == "code" and not (trust.code or trust.pickle):
            yield Violation(
                ("trust", "code"),
                f"{model.name} runs code of its artifact, which the spec does not trust",
                "if you made this artifact, write trust: {code: true}",
            )
        unknown = [name for name in loading.skops_types if name not in trust.skops_types]
        if unknown and not loading.trust:
            yield Violation(
                ("trust", "skopsTypes"),
                f"{model.name} holds types that are not trusted: {', '.join(unknown)}",
                f"check what they do, then write trust: {{skopsTypes: [{', '.join(unknown)}]}}",
            )


@rule("SRV628", "error", "has settings that do not contradict its input")
def consistent_input(subject: Subject) -> Iterator[Violation]:
    settings = subject.settings
    columns = settings.input.columns or ()
    names = [column.name for column in columns]
    known = f"the columns are {', '.join(names)}" if names else "the input has no columns"
    described = True
    for field, parts in (("input", columns), ("params", settings.params or ())):
        for part in filter(_is_constrained, parts):
            try:
                checked_type(part, part.name)
            except DescriptionError as error:
                described = False
                yield Violation(("api", field), str(error), "write values of the column's type")
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        described = False
        hint = "log the model with other names, or write api.input.columns"
        yield Violation(("api", "input"), f"two columns are called {repeated[0]!r}", hint)
    if described and (fault := example_fault(settings.input)):
        hint = "write an example that the model's input allows"
        yield Violation(
            ("api", "input", "example"), f"the example does not fit the input: {fault}", hint
        )
    # Where nothing describes the input, an ONNX graph may name its tensors itself.
    for name in unknown_redactions(settings) if settings.input.is_known else ():
        place = ("logging", "predictions", "redact", name)
        present = ", ".join(redactable(settings))
        hint = f"the names are {present}" if present else "nothing in a request has a name"
        yield Violation(place, f"no column, tensor or param is called {name!r}", hint)
    if settings.graph is not None:
        for name in unknown_router_columns(settings.graph, names):
            yield Violation(("graph",), f"the router's column {name!r} is not in the input", known)


def _is_constrained(given: Column | Param) -> bool:
    """Whether more is said than a plain type, which cannot be wrong."""
    bounds = (given.minimum, given.maximum, given.enum)
    return given.type in NESTED_TYPES or any(bound is not None for bound in bounds)


@rule("SRV629", "warning", "describes the columns that its models were logged with")
def logged_columns(subject: Subject) -> Iterator[Violation]:
    declared = {column.name: column for column in subject.settings.input.columns or ()}
    entries = entry_names(subject.settings)
    is_written = subject.service.spec.api.input.is_known
    for index, model in fetched(subject):
        if not is_written and index == 0:
            continue  # The input is that of its signature.
        logged = input_of(model.artifact.signature).columns or ()
        if not declared or not logged or model.name not in entries:
            continue
        missing = [column.name for column in logged if column.name not in declared]
        needed = model.artifact.flavor in _NEED_FEATURES
        if missing and needed and len(declared) != len(logged):
            yield Violation(
                ("api", "input", "columns"),
                f"{model.name} was logged with {len(logged)} columns, but the input has "
                f"{len(declared)}; missing: {', '.join(missing[:5])}",
                "name the columns as in the model's training: a model that knows its features by "
                "name does not start",
            )
        for column in logged:
            given = declared.get(column.name)
            if given is not None and (column.type in _NUMERIC) != (given.type in _NUMERIC):
                yield Violation(
                    ("api", "input", "columns"),
                    f"column {column.name!r} is {given.type}, but {model.name} was logged with "
                    f"{column.type}",
                    "give the column the type of the training",
                )


_NUMERIC = ("boolean", "integer", "long", "float", "double")


@rule("SRV630", "error", "is of a kind that takes its input and its runtime")
def fitting_kind(subject: Subject) -> Iterator[Violation]:
    settings = subject.settings
    entries = entry_names(settings)
    for index, model in fetched(subject):
        flavor, loading = model.artifact.flavor, model.artifact.loading
        if loading is not None and loading.unservable:
            yield Violation(
                artifact_path(subject, index),
                f"{model.name} {loading.unservable}",
                "log the model with MLflow, in a flavor that is served or as pyfunc",
            )
        if not flavor:
            continue
        kind = flavor if flavor in SERVED_FLAVORS else "pyfunc"
        arrays = len(settings.input.arrays)
        if arrays > 1 and model.name in entries and kind not in OF_SEVERAL_TENSORS:
            yield Violation(
                ("api", "input"),
                f"the input has {arrays} tensors, but MLflow's flavor {flavor} hands {model.name} "
                "one array",
                f"log it with one of {', '.join(OF_SEVERAL_TENSORS)}",
            )
        if settings.runtime != "onnx" or kind == "onnx":
            continue
        if kind not in CONVERTED:
            yield Violation(
                ("runtime",),
                f"{model.name} is a model of {flavor}, which is not converted to ONNX",
                "set runtime: auto",
            )
        elif settings.params and kind in USE_PARAMS:
            yield Violation(
                ("runtime",),
                f"only {flavor} itself takes the params of {model.name}",
                "set api.params: [] to do without them, or runtime: native",
            )
