"""The diff and its reports (`golden/` is written by `pytest --update-golden`), and the policy with a
keeping and a breaking case for each rule.
"""
