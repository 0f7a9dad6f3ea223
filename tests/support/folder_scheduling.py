"""How pytest-xdist shares the tests out: by folders, in their order."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

_OF_THE_MACHINE = ("tests/cluster", "tests/images")


class FolderScheduling(LoadScopeScheduling):
    """A folder's tests all run on one worker, which makes the fixtures that they share once.

    Those of clusters and images run on the same one: both have the machine's mounts and network.
    """

    def _split_scope(self, nodeid: str) -> str:
        parts = nodeid.split("::")[0].split("/")
        folder = "/".join(parts[: 3 if parts[0] == "serving_image" else 2])
        return "machine" if folder in _OF_THE_MACHINE else folder
