"""The files that people write, as frozen pydantic models.

- `model_service.py`, `environment.py` and `folder.py` define the files, other modules their sections.
- `document.py` reads YAML and keeps the place of every key.
- `model_rules.py`, `input_rules.py` and `environment_rules.py` check rules between fields, the
  second with `example_values.py`; `taken_rules.py` and `reserved.py` what is already taken.
- `merging.py` marks the lists that layers add to.
- `problems.py` turns pydantic's errors into servestack's messages.
- `patches.py` is the way out for what no field says.
- `load.py` runs all of it for one file, `model_files.py` for all below models/, or some of them.
- `schema.py` and `reference.py` write the editors' schema and the docs from the same types.

Modules with sections have no `from __future__ import annotations`: pydantic would compile each
annotation once more at every start.

To add a field, add it to its section. A rule between fields goes into a rules module, with a file
in `tests/unit/spec/invalid/`.
"""
