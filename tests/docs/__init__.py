"""The documentation: every code block runs or is output, the site has no dead link, and each alert
and each command has its section.

`blocks.py` finds the code blocks, `running.py` runs the shell's, `elsewhere.py` lists those that do
not run here and why. `tools/site.py` builds the site and finds dead links in it.
"""
