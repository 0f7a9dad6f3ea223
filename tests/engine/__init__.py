"""The product's Pulumi program on Pulumi's own engine, against a real kube-apiserver, through the
Automation API and through the command line. The official Kubernetes plugin is used where it is
installed; else the stand-in in `tests/support/kubernetes_provider` (nobody has run them with the
official one yet: it waits for pods to be ready, which an API without controllers never makes
them). `test_live.py` compares with what Pulumi applied, `test_engine.py` runs the product's
program, `test_provider.py` small ones that hold secrets and replacements.
"""
