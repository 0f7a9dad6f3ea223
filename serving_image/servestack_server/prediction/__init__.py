"""From rows to outputs, without HTTP.

`batcher.py` is the queue of one model, and `call_time.py` estimates how long its calls take.
`target.py` is what predicts: one model, or a graph of models (`graph.py`, `nodes.py`).
`warm_up.py` makes the first calls.
"""
