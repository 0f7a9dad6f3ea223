"""A rendered folder survives whatever is done to it, and reads back as it was by every parser.

`test_tree.py` holds writing, checking, pruning and reading back, `test_faults.py` links, foreign
files, broken files and hostile names, `test_interrupted.py` kills runs, forbids the disk and lets
two runs meet, `test_parsers.py` holds nasty texts against PyYAML's two parsers and kubectl's.
"""
