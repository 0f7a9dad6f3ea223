"""From rows to outputs, without HTTP.

`batcher.py` is the queue of one model, `call_time.py` estimates how long its calls take, and
`outputs.py` divides and lists what they return.
`target.py` is what predicts: one model, or a graph of models (`graph.py`, `nodes.py`).
`warm_up.py` makes the first calls.
"""
