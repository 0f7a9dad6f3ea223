"""What the generator believes of the stock image is what the image is built from."""

from __future__ import annotations

import tomllib

import pytest
from tools import stock_image

from servestack_contract.sources import SCHEMES
from servestack_contract.stock_image import (
    PYTHON,
    VARIANTS,
    packages_in,
    variant_hint,
    variant_with,
)


def test_the_table_is_that_of_the_requirements() -> None:
    assert stock_image.TARGET.read_text() == stock_image.build()
    assert set(VARIANTS) == {file.stem for file in stock_image.REQUIREMENTS.glob("*.txt")}
    for variant in VARIANTS:
        pinned = stock_image.packages_of(variant, PYTHON)
        assert {name: packages_in(variant)[name] for name in pinned} == pinned


def test_a_variant_has_what_base_has() -> None:
    """Else its packages would be taken for missing."""
    base = stock_image.packages_of("base", PYTHON).keys()
    for variant in VARIANTS:
        assert base <= stock_image.packages_of(variant, PYTHON).keys()


@pytest.mark.parametrize(
    ("packages", "variant"),
    [
        ([], "base"), (["scikit-learn", "numpy"], "base"), (["sklearn", "yaml"], "base"),
        (["mlflow", "xgboost"], "base"), (["torch"], "pytorch"), (["keras"], "keras"),
        (["jax", "numpy"], "keras"), (["torch", "keras"], ""), (["statsmodels"], ""),
    ],
)  # fmt: skip
def test_which_variant_has_it(packages: list[str], variant: str) -> None:
    assert variant_with(packages) == variant


def test_every_variant_reads_every_store() -> None:
    """So `check` need not ask which variant a pod runs in."""
    needed = {scheme.package for scheme in SCHEMES.values() if scheme.package}
    assert len(needed) > 3
    for variant in VARIANTS:
        assert needed | {"azure-identity"} <= packages_in(variant).keys()


@pytest.mark.parametrize("scheme", [name for name, one in SCHEMES.items() if one.extra])
def test_an_extra_installs_what_fetch_and_lock_need(scheme: str) -> None:
    """MLflow reads s3 and gs for lock, with packages of its own choice."""
    project = tomllib.loads((stock_image.ROOT / "pyproject.toml").read_text())
    requirements = project["project"]["optional-dependencies"][SCHEMES[scheme].extra]
    names = {requirement.partition(">=")[0] for requirement in requirements}
    of_mlflow = {"s3": {"boto3"}, "gs": {"google-cloud-storage"}}
    assert {SCHEMES[scheme].package} | of_mlflow.get(scheme, set()) <= names


def test_what_to_do_about_a_package() -> None:
    assert variant_hint("torch") == "use the pytorch variant of the image"
    assert "no image here has prophet: build one" in variant_hint("prophet")
