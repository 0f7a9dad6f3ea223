"""Builds the project's images: `python -m tools.images`."""
