"""A command on a machine as new: nothing is there that a run makes."""
