"""Layers and provenance, and the lock as a file."""
