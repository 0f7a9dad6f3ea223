"""The small model that most servers here serve."""

from __future__ import annotations

import pytest
from serving_image.tests.support.iris import Iris, train_iris


@pytest.fixture(scope="session")
def iris(tmp_path_factory: pytest.TempPathFactory) -> Iris:
    """The trained model."""
    return train_iris(tmp_path_factory.mktemp("iris") / "model")
