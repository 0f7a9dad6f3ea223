"""The objects that make a GitOps controller apply `rendered/<env>/`.

`source.py` says where in git the files lie, and refuses addresses and names that would not work.
`argocd.py` and `flux.py` are pure functions that build the objects of each controller.
"""
