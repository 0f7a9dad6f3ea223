"""The command line as a user runs it, on projects on disk."""
