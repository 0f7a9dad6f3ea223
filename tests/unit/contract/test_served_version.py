"""The version that metrics of requests are labelled with."""

from __future__ import annotations

import pytest

from servestack_contract.artifact import Pin, served_version

DIGEST = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("pins", "version"),
    [
        ([Pin("iris", "4", DIGEST)], "4"),
        ([Pin("iris", "-", DIGEST)], "0123456789ab"),
        ([Pin("iris", "-")], "-"),
        ([Pin("a", "3"), Pin("b", "7")], "3,7"),
        ([Pin("a", "1"), Pin("b", "1")], "1,1"),
        ([Pin("a", "3"), Pin("b", "-", DIGEST)], "3,0123456789ab"),
        ([], "-"),
    ],
)
def test_versions(pins: list[Pin], version: str) -> None:
    assert served_version(pins) == version


def test_many_models_have_a_short_label_that_changes_with_each_of_them() -> None:
    pins = [Pin(f"m{number}", "-", f"{number:064x}"[::-1]) for number in range(12)]
    moved = [*pins[:-1], Pin("m11", "-", "f" * 64)]
    versions = {served_version(pins), served_version(moved)}
    assert [len(version) for version in versions] == [12, 12]
