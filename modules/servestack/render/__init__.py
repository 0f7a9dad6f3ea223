"""Manifests as files.

`tree.py` writes, checks and reads `rendered/<env>`, `folder.py` replaces and removes single files
so that a reader never sees half of one. `orphans.py` finds what is left of environments that no
longer exist.
"""
