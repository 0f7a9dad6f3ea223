"""The peers' own cases, asked of our server.

Each `<peer>.yaml` holds the requests of one peer's tests and documents, with the answers that these
expect; MLflow's scoring server itself says what it answers. `case.py` reads them, `services.py` has
the models that they ask, `servers.py` serves these, `oracle.py` asks MLflow, `compare.py` says how an
answer differs, and `run.py` brings them together. What we answer otherwise is in the tables of
docs/serving-differences.md.
"""
