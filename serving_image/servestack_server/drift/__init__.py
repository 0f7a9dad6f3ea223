"""What monitoring.drift counts: the values of inputs and outputs by bucket of the model's profile.

- `watch.py` takes answered rows, and counts them when the event loop has time;
- `row_sample.py` says which rows, so that the work per second has a limit;
- `input_reader.py` and `output_reader.py` find the columns in them;
- `model_watch.py` has the counts of one model;
- `first_rows.py` makes a profile of the first rows, where the artifact brings none;
- `exposition.py` shows all of that to Prometheus;
- `input_counts.py` counts values that were refused.

Why it is done so: docs/adr/0022-drift.md.
"""
