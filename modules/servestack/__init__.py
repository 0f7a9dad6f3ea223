"""One small typed file per model becomes everything that serves it in production."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from servestack_contract import __version__ as __version__

if TYPE_CHECKING:
    from servestack.profiling import profile as profile

__all__ = ["__version__", "profile"]


def __getattr__(name: str) -> Any:
    """Load what training scripts use when they use it: the command line starts without it."""
    if name == "profile":
        from servestack.profiling import profile

        return profile
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
