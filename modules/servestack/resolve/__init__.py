"""The only layer that asks registries and artifact stores.

- `overlay.py` merges the layers of a spec, and `provenance.py` records where each value came from.
- `lock.py` reads and writes the lock file.
- `locking.py` fills it through the interface in `registry.py`.
- `mlflow_registry.py` (the only module that knows mlflow) and `artifact_store.py` implement it.
- `digest.py` pins an artifact's bytes, and `model_facts.py` reads what they are.
- `service.py` puts everything into a `ResolvedService`, the input of the builders.
"""
