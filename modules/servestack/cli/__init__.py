"""The command line.

`main.py` parses. Each `*_command(s).py` calls one function and prints. `output.py` writes data to
stdout and messages to stderr. Modules are imported when a command runs, so that `--help` is fast.
"""
