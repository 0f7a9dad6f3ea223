"""From rows to outputs, without HTTP.

`batcher.py` is the queue of one model, `call_time.py` what it knows of its speed; `target.py` is
what predicts, one model or a graph of them (`graph.py`, `nodes.py`); `warm_up.py` makes the first
calls.
"""
