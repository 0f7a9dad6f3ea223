"""What is rendered, held by the programs that will read it.

A kube-apiserver admits every object and every pod under the `restricted` level, promtool checks
the rules and runs tests of their alerts, Filebeat 7.17 accepts its configuration and the drain
script waits for it. `diff --live` is held to seeded edits and to clusters that fail. The programs
come from `tools/install.py`.
"""
