"""Where the command line begins: what is set before anything else is imported."""

from __future__ import annotations

import atexit
import gc
import os


def main() -> None:
    """Run the command line, without what takes a third of the time of a short command."""
    # A command keeps most of what it builds until it ends. Those that run for long turn it on again.
    gc.disable()
    atexit.register(gc.freeze)  # The interpreter would look for garbage at its end, for 35 ms.
    # pydantic would look through all installed packages for plugins, for 20 ms.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

    from servestack.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
