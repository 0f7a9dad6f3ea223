"""What people write, as frozen pydantic models.

`model_service.py` and `environment.py` with their sections, `document.py` (YAML with the place of
every key), `model_rules.py`, `input_rules.py` and `environment_rules.py` (rules between fields),
`problems.py` (pydantic's errors in words), `load.py` (all of it together). `schema.py` and
`reference.py` write the editors' schema and the docs from the same types. To add a field, add it
to its section; a rule that spans fields goes into the rules module and gets a file in
`tests/unit/spec/invalid/`.
"""
