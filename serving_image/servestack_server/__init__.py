"""The model server: fetches a pinned artifact, loads it, answers for it."""

__version__ = "0.1.0"
