"""The pinned tools, for fixtures."""

from __future__ import annotations

from pathlib import Path

import pytest
from tools.install import UnavailableError, install


def installed(name: str) -> Path:
    """The program's path. pytest repeats an Exception of a session's fixture for every test that
    asks for it, but stumbles over the SystemExit by which a program ends."""
    try:
        return install(name)
    except UnavailableError as error:
        pytest.skip(str(error))
    except SystemExit as error:
        raise RuntimeError(str(error)) from None
