"""No module needs itself: the imports of each package, also those for types alone, make no circle."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

import grimp
import pytest


@pytest.mark.parametrize(
    "package", ["servestack", "servestack_contract", "servestack_server", "tools"]
)
def test_imports_make_no_circle(package: str) -> None:
    graph = grimp.build_graph(package, cache_dir=None)
    needs = {
        module: graph.find_modules_directly_imported_by(module)
        # A package that is imported for one of its modules needs nothing of itself.
        - {module}
        for module in graph.modules
    }
    assert len(needs) > 3
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))
