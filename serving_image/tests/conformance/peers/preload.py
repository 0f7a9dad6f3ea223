"""What the servers of the cases import and find out, done once in the process that they are forked from.

A process that does it by itself takes two seconds of CPU.
"""

from __future__ import annotations

import gc

import sklearn.neighbors  # noqa: F401
from mlflow.utils.requirements_utils import warn_dependency_requirement_mismatches

import servestack_server.process  # noqa: F401

# It looks through all installed packages, and remembers which has which module.
warn_dependency_requirement_mismatches(["numpy"])
gc.collect()
gc.freeze()  # The server looks through all objects before it is ready, but not through these.
