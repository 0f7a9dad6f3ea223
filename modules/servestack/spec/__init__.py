"""The files that people write, as frozen pydantic models.

- `model_service.py` and `environment.py` define the two files, other modules their sections.
- `document.py` reads YAML and keeps the place of every key.
- `model_rules.py`, `input_rules.py` and `environment_rules.py` check rules between fields, the
  second with `example_values.py`.
- `problems.py` turns pydantic's errors into servestack's messages.
- `patches.py` is the way out for what no field says.
- `load.py` runs all of it for one file.
- `schema.py` and `reference.py` write the editors' schema and the docs from the same types.

To add a field, add it to its section. A rule between fields goes into a rules module, with a file
in `tests/unit/spec/invalid/`.
"""
