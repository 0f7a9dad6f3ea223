"""Reading managedFields, the kinds that may be ours, and what a client-side `kubectl apply` takes
away. The rest is tested on a real API, in `tests/real/test_live*.py`.
"""
