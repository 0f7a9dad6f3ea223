"""Asks all cases of the peers, and says which are answered alike."""

from __future__ import annotations

import re
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from serving_image.tests.conformance.peers.case import FILES, Case, Expected, read_cases
from serving_image.tests.conformance.peers.compare import difference
from serving_image.tests.conformance.peers.mlflow_services import SERVICES as MLFLOW
from serving_image.tests.conformance.peers.oracle import MlflowServer
from serving_image.tests.conformance.peers.protocol_services import SERVICES as PROTOCOLS
from serving_image.tests.conformance.peers.servers import NotReadyError, forked_server
from serving_image.tests.conformance.peers.services import Saved, save
from serving_image.tests.support.server import ask

SERVICES = MLFLOW | PROTOCOLS
PAGE = Path(__file__).parents[4] / "docs" / "serving-differences.md"


@dataclass(frozen=True)
class Result:
    """`difference` is empty for a case that is answered alike."""

    case: Case
    difference: str


@dataclass(frozen=True)
class Count:
    """How many cases of a peer were asked, without what is not spoken here, and answered alike."""

    asked: int
    alike: int


def run(cases: Iterable[Case]) -> Iterator[Result]:
    """Ask each case. A server that does not start differs in all of its cases."""
    by_service: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        by_service[case.model].append(case)
    for name, asked in by_service.items():
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            saved = save(SERVICES[name], Path(folder))
            expected = _expected(asked, saved)
            try:
                with forked_server(saved.config, saved.versions, Path(folder)) as port:
                    for case, wanted in zip(asked, expected, strict=True):
                        answer = ask(port, case.method, case.path, case.body, case.headers)
                        yield Result(case, difference(answer, wanted))
            except NotReadyError as error:
                yield from (Result(case, f"does not start: {error}") for case in asked)


def _expected(asked: list[Case], saved: Saved) -> list[Expected]:
    if all(case.expected for case in asked):
        return [case.expected for case in asked if case.expected]
    server = MlflowServer(saved.folder)
    return [case.expected or server.answer(case) for case in asked]


def all_cases() -> list[Case]:
    """Return the cases of all peers."""
    return [case for file in FILES for case in read_cases(file)]


def rows() -> dict[str, bool]:
    """Return the ids of the page's tables, and whether it is of what is answered otherwise.

    False: it is of what a peer has and the server has not.
    """
    spoken, _, unspoken = PAGE.read_text(encoding="utf-8").partition("\n## Not spoken")
    return dict.fromkeys(_ids(spoken), True) | dict.fromkeys(_ids(unspoken), False)


def _ids(text: str) -> list[str]:
    return re.findall(r"^\| `([\w-]+)` \|", text, re.MULTILINE)


def count(results: Iterable[Result]) -> Count:
    """Count the results of a peer."""
    spoken = rows()
    asked = [result for result in results if spoken.get(result.case.otherwise, True)]
    return Count(len(asked), sum(not result.difference for result in asked))
