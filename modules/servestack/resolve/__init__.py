"""The only layer that asks the world.

`overlay.py` merges the layers of a spec and `provenance.py` remembers where each value came from;
`lock.py` is the lock as a file; `locking.py` fills it through the port in `registry.py`, whose
two sides are `mlflow_registry.py` (the only module that knows mlflow) and `artifact_store.py`;
`digest.py` pins the bytes and `model_facts.py` reads what they are. `service.py` puts everything
into a `ResolvedService`, which is what the builders take.
"""
