"""What a reviewer needs.

`diff.py` finds what differs (lists keyed as in `list_keys.py`, text that is JSON or YAML read
by `nested_text.py`), the tables of `effects/` say what it does and how much that matters,
`summary.py` groups it, `causes.py` names the edited fields behind it, `patched.py` the patches;
`reports.py` prints it with `mask.py` hiding secrets; `validate.py` checks
manifests against the API's schemas in `schemas/`, `policy/` against our rules, `findings.py`
maps both to the spec's line and `check_reports.py` prints them; `explain.py` says where a value
came from, `gate.py` stops what has an error before it is rendered or applied.
"""
