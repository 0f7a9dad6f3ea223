"""Which Kubernetes is refused."""

from __future__ import annotations

from typing import Any

import pytest

from servestack.errors import ClusterError, Problem
from servestack.live.version import require_version


class Told:
    """A cluster that tells its version, or fails."""

    def __init__(self, told: dict[str, str] | None) -> None:
        self._told = told

    def version(self) -> dict[str, str]:
        if self._told is None:
            raise ClusterError(Problem("SRV534", "does not answer"))
        return self._told


@pytest.mark.parametrize(
    "told",
    [
        {"major": "1", "minor": "30"}, {"major": "1", "minor": "30+"}, {"major": "1", "minor": "136"},
        {"major": "2", "minor": "0"}, {"major": "", "minor": ""}, {}, None,
    ],
)  # fmt: skip
def test_what_passes(told: dict[str, str] | None) -> None:
    cluster: Any = Told(told)
    require_version(cluster)


@pytest.mark.parametrize(("major", "minor"), [("1", "29"), ("1", "29+"), ("1", "4"), ("0", "99")])
def test_what_is_too_old(major: str, minor: str) -> None:
    cluster: Any = Told({"major": major, "minor": minor})
    with pytest.raises(
        ClusterError, match=r"(?s)SRV539 the cluster runs Kubernetes .*1\.30 or newer"
    ):
        require_version(cluster)
