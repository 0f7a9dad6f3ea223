"""The grammar of an artifact's address, which is MLflow's where MLflow resolves it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.utils.models import _parse_model_uri
from mlflow.utils.validation import (
    _validate_model_alias_name,
    _validate_model_alias_name_reserved,
    _validate_model_name,
)

from servestack.spec.artifact_uri import ArtifactKind, ArtifactUri, parse_artifact_uri

MODEL_ID = "m-028196b2c3d44e5f90a1b2c3d4e5f607"
RUN_ID = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("models:/Iris Classifier@production", {"name": "Iris Classifier", "alias": "production"}),
        ("models:/iris/3", {"name": "iris", "version": "3"}),
        ("models:/iris/03", {"name": "iris", "version": "3"}),
        ("models:/main.growth.iris@champion", {"name": "main.growth.iris", "alias": "champion"}),
        ("models:/Blumen größe@blau-größe", {"name": "Blumen größe", "alias": "blau-größe"}),
        ("models:/a@b@c", {"name": "a@b", "alias": "c"}),
        ("models:/a@b/3", {"name": "a@b", "version": "3"}),
        ("models:/50%20off #1?@x", {"name": "50%20off #1?", "alias": "x"}),
        ("models:/iris/staging", {"name": "iris", "stage": "Staging"}),
        ("models:/iris/NONE", {"name": "iris", "stage": "None"}),
        (f"models:/{MODEL_ID}", {"model_id": MODEL_ID}),
        (f"models:/{MODEL_ID}/2", {"name": MODEL_ID, "version": "2"}),
        (f"runs:/{RUN_ID}/nested path/model", {"run_id": RUN_ID, "path": "nested path/model"}),
        (f"runs:/{RUN_ID}/model/", {"run_id": RUN_ID, "path": "model"}),
        ("runs:/my-run_1/größe.v2", {"run_id": "my-run_1", "path": "größe.v2"}),
        ("file:my models/iris", {"path": "my models/iris"}),
        ("file:///srv/my models/iris%20v2", {"path": "/srv/my models/iris%20v2"}),
        ("s3://bucket/my models/iris", {"path": "/my models/iris"}),
    ],
)
def test_what_the_registry_allows(text: str, fields: dict[str, str]) -> None:
    parsed = parse_artifact_uri(text)
    found = {name: getattr(parsed, name) for name in ArtifactUri.__slots__}
    assert {name: value for name, value in found.items() if value} == {
        "text": text, "kind": parsed.kind, **fields
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("models:/iris", "neither an alias nor a version: write models:/iris@production"),
        ("models:/iris/latest", "'latest' is whatever was registered last"),
        ("models:/iris/LATEST", "an alias that someone sets, such as models:/iris@production"),
        ("models:/iris@latest", "'latest' is whatever was registered last"),
        ("models:/iris@v1", "MLflow keeps it for versions: write models:/iris/1"),
        ("models:/iris@V007", "write models:/iris/7"),
        ("models:/iris@a.b", "MLflow allows letters, digits, '_' and '-'"),
        ("models:/iris@a b", "MLflow allows letters"),
        ("models:/iris@", "'' is no alias"),
        (f"models:/iris@{'a' * 256}", "at most 255"),
        ("models:/iris/0", "counts versions from 1"),
        ("models:/iris/000", "counts versions from 1"),
        ("models:/iris/-1", "neither a version nor a stage"),
        ("models:/iris/²", "neither a version nor a stage"),
        ("models:/iris/prod", "an alias has the form models:/iris@prod"),
        ("models:/team:iris@a", "MLflow allows no ':' in it"),
        ("models:/team/iris@a", "is no alias"),
        ("models:/team/iris/3", "its name cannot hold a slash"),
        ("models:/..@a", "takes it for a path"),
        ("models:/ @a", "has the form models:/name@alias"),
        ("models:/@a", "has the form models:/name@alias"),
        ("models:///iris@a", "one slash after the colon"),
        ("models://profile@databricks/iris/1", "one slash after the colon"),
        ("models:iris/1", "one slash after the colon"),
        (f"models:/{MODEL_ID}/artifacts/model", "its artifact is taken as a whole"),
        (f"models:/{MODEL_ID[:-1]}", "neither an alias nor a version"),
        (f"runs:/{RUN_ID}/", f"name the model's, such as runs:/{RUN_ID}/model"),
        (f"runs:/{RUN_ID}", "several artifacts"),
        (f"runs:/{RUN_ID}/../other/model", "no '..', '.' or empty parts"),
        (f"runs:/{RUN_ID}/a//b", "no '..', '.' or empty parts"),
        (f"runs:/{RUN_ID}/./a", "no '..', '.' or empty parts"),
        (f"runs:/{RUN_ID}//a", "no '..', '.' or empty parts"),
        ("runs:/-a/model", "runs:/<run id>/<path>"),
        ("file:a#b", "write ? as %3F and # as %23"),
        ("file:a?b", "write ? as %3F and # as %23"),
        ("models:/a\nb@c", "no control characters"),
    ],
)  # fmt: skip
def test_what_it_does_not(text: str, words: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_artifact_uri(text)
    assert words in str(caught.value)


def _of_mlflow(text: str) -> dict[str, str] | None:
    """What MLflow reads in an address; None if it can stand for nothing that is registered."""
    try:
        parsed = _parse_model_uri(text)
        if parsed.name is None:
            return None
        _validate_model_name(parsed.name)
        if parsed.alias is not None:
            _validate_model_alias_name(parsed.alias)
            _validate_model_alias_name_reserved(parsed.alias)
    except MlflowException:
        return None
    return {key: value for key, value in parsed._asdict().items() if value is not None}


@given(st.text(st.sampled_from("aZ9 .@/_-ßé%vV:"), max_size=12))
def test_any_address_means_what_it_means_in_mlflow(rest: str) -> None:
    """Without `?`: MLflow cuts off a query, which a name may look like."""
    expected = _of_mlflow(f"models:/{rest}")
    try:
        parsed = parse_artifact_uri(f"models:/{rest}")
    except ValueError:
        # Refused here alone: what stands for no version, a stage that there is not, another slash.
        assert (
            expected is None
            or expected.keys() == {"name"}
            or "stage" in expected
            or not int(expected.get("version", "1"))
            or rest.startswith("/")
        )
        return
    assert parsed.kind is ArtifactKind.REGISTERED
    assert expected is not None
    said = expected | ({"version": str(int(expected["version"]))} if "version" in expected else {})
    assert said == {
        key: value
        for key in ("name", "alias", "version", "stage")
        if (value := getattr(parsed, key))
    }


@pytest.mark.parametrize(
    "text",
    [
        "abfss://models@growth.dfs.core.windows.net/iris", "wasbs://m@growth.blob.core.windows.net/a b",
        "az://models/iris", "abfs://models/iris/v?1#2", "dbfs:/models/iris",
        "dbfs:/Volumes/growth/ml/models/iris", "hdfs://namenode:8020/models/iris",
        "hdfs:///models/iris", "webhdfs://namenode:9870/models/iris", "swebhdfs://namenode/models/iris",
    ],
)  # fmt: skip
def test_what_fetch_reads_can_be_written(text: str) -> None:
    assert parse_artifact_uri(text).kind is ArtifactKind.REMOTE


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("abfss://c:hunter2@growth.dfs.core.windows.net/iris", "must hold no credentials"),
        ("wasbs://models/iris", "names no account; write wasbs://<container>@<account>."),
        ("dbfs:/databricks/mlflow-registry/1/model", "only MLflow's own client"),
        ("hdfs://u:hunter2@namenode/iris", "must hold no credentials"),
        ("webhdfs:///iris", "names no namenode"),
        ("adl://account/iris", "not the address of an artifact"),
    ],
)
def test_what_fetch_does_not_read_cannot(text: str, words: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_artifact_uri(text)
    assert words in str(caught.value)
    assert "hunter2" not in str(caught.value)
