"""Credentials of stores are recognised wherever they stand."""

from __future__ import annotations

import pytest

from servestack.spec.secrets import SECRET_NAME, find_secrets


@pytest.mark.parametrize(
    "name",
    [
        "AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_KEY",
        "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_CLIENT_SECRET",
        "DATABRICKS_TOKEN", "WEBHDFS_TOKEN", "WEBHDFS_PASSWORD", "AWS_SECRET_ACCESS_KEY",
    ],
)  # fmt: skip
def test_names_of_secrets(name: str) -> None:
    assert SECRET_NAME.search(name)


@pytest.mark.parametrize(
    "name",
    [
        "AZURE_STORAGE_ACCOUNT_NAME", "AWS_ENDPOINT_URL", "WEBHDFS_URL", "HADOOP_USER_NAME",
        "DATABRICKS_HOST", "AZURE_CLIENT_ID", "MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE", "MONKEY",
    ],
)  # fmt: skip
def test_names_of_settings(name: str) -> None:
    assert not SECRET_NAME.search(name)


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (f"AccountName=growth;AccountKey={'aB3+' * 22};", "a key of an Azure storage account"),
        (f"?sv=2024-11-04&sp=r&sig={'aB3%2B' * 8}", "a shared access signature of Azure"),
        (f"dapi{'0a1b' * 8}", "a Databricks token"),
        ("abfss://models@growth.dfs.core.windows.net/iris", None),
        ("dbfs:/Volumes/growth/ml/models/iris", None),
    ],
)
def test_values(value: str, what: str | None) -> None:
    assert list(find_secrets({"a": value})) == ([(("a",), what)] if what else [])
