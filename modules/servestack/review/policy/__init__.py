"""What a model must be before it is rendered.

Rules with a stable id, a severity and one function each, grouped by what they look at (`pods.py`
the manifests of the workload, `artifacts.py` what is served, `guard_rails.py` what the
environment demands, `fit.py` whether spec and environment fit each other, `exposure.py` how a model
is reached, `sizes.py` what is too large for a way of applying, `start.py` what would keep a pod from
starting, `provisions.py` what the pod has for the model). `registry.py` lists
them all. To add a rule, write its function with `@rule(…)` and give it a passing and a failing
fixture in `tests/unit/review/policy_cases.py`; a test fails for a rule without both.
"""
