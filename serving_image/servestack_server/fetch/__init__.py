"""Fetches and verifies pinned artifacts. This is the work of the init container."""
