"""Each case of the peers is answered alike, or docs/serving-differences.md says why not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from serving_image.tests.conformance.peers.case import FILES, read_cases
from serving_image.tests.conformance.peers.run import PAGE, Count, all_cases, count, rows, run

BARS = {"MLflow": 80 / 89, "MLServer": 26 / 34, "KServe": 1.0, "Open Inference Protocol": 34 / 37}
"""The least share of a peer's cases that must be answered alike, without what is not spoken."""


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_is_answered_otherwise_is_in_the_table(file: Path) -> None:
    results = list(run(read_cases(file)))
    peer = results[0].case.peer
    wrong = [
        f"{result.case.id}: {result.difference or 'is alike, remove its row'}"
        for result in results
        if bool(result.difference) != bool(result.case.otherwise)
    ]
    assert not wrong, "\n".join(wrong)
    counted = count(results)
    print(f"{peer}: {counted.alike} of {counted.asked} alike")
    assert counted.alike >= BARS[peer] * counted.asked
    assert counted == documented()[peer]


def test_each_row_of_the_table_has_a_case_and_each_case_its_row() -> None:
    cases = all_cases()
    assert {case.otherwise for case in cases} - {""} == rows().keys()
    names = [(case.peer, case.id) for case in cases]
    assert len(set(names)) == len(names) > 200


def documented() -> dict[str, Count]:
    """The counts of the page."""
    found = re.findall(r"^\| ([\w ]+) \| (\d+) \| (\d+) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    return {peer: Count(int(asked), int(alike)) for peer, asked, alike in found}
