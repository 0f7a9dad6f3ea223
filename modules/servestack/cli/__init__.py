"""The command line.

`main.py` parses, each `*_command(s).py` calls one function and prints, `output.py` keeps data on
stdout and talk on stderr. Modules are imported when a command runs, so that `--help` is fast.
"""
