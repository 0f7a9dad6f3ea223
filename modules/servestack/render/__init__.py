"""Manifests as files.

`tree.py` writes, checks and reads `rendered/<env>`, `folder.py` replaces and removes single files
so that a reader never sees half of one.
"""
