"""The init container's work: pinned artifacts, fetched and verified."""
