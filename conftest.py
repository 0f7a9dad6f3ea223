"""How many examples a test of a property tries: `--hypothesis-profile=thorough` for ten times more."""

from __future__ import annotations

from hypothesis import settings

# A deadline for an example would fail on a busy machine.
settings.register_profile("here", deadline=None, max_examples=100)
settings.register_profile("thorough", settings.get_profile("here"), max_examples=1000)
settings.load_profile("here")
