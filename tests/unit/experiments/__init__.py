"""The statistics of experiments."""
