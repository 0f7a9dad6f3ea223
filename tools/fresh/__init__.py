"""Runs a command as on a new machine: nothing that a run creates is there."""
