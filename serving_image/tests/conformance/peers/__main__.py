"""Asks the peers' cases and prints the counts, with each case that differs and why:

    python -m serving_image.tests.conformance.peers [TEXT]

With a text, only cases whose peer, id or model contain it. Exit status 1 if a case differs that no row
of docs/serving-differences.md is for, or if one that has a row does not differ.
"""

from __future__ import annotations

import logging
import sys
from collections import defaultdict

from serving_image.tests.conformance.peers.run import Result, all_cases, count, run


def main(text: str) -> int:
    logging.disable(logging.WARNING)
    cases = (case for case in all_cases() if text in f"{case.peer} {case.id} {case.model}".lower())
    by_peer: dict[str, list[Result]] = defaultdict(list)
    wrong = 0
    for result in run(cases):
        case, known = result.case, result.case.otherwise
        by_peer[case.peer].append(result)
        if result.difference or known:
            said = f"{known}: " if known else ""
            print(f"{case.peer}, {case.id}: {said}{result.difference or 'is alike'}")
        wrong += bool(result.difference) != bool(known)
    for peer, results in by_peer.items():
        counted = count(results)
        unspoken = len(results) - counted.asked
        print(f"{peer}: {counted.alike} of {counted.asked} alike; {unspoken} cases are not spoken")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1].lower() if len(sys.argv) > 1 else ""))
