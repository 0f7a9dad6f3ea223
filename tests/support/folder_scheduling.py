"""How pytest-xdist shares the tests out: by folders, in their order."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

LAST = "tests/unit/"
_TOGETHER = {
    # Both have the machine's mounts and network.
    "tests/images": "tests/cluster",
    # Both ask an MLflow server.
    "tests/served": "tests/registry",
}


class FolderScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """A folder's tests all run on one worker, which makes the fixtures that they share once.

    Unit tests share none. They come last, one file at a time, so that all workers end together.
    """

    def _split_scope(self, nodeid: str) -> str:
        parts = nodeid.split("::")[0].split("/")
        if nodeid.startswith(LAST):
            return "/".join(parts)
        folder = "/".join(parts[: 3 if parts[0] == "serving_image" else 2])
        return _TOGETHER.get(folder, folder)
