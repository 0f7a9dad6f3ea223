"""The Pulumi sink, and the only package that imports Pulumi.

`program.py` declares an environment on the current stack: `components.py` has one component per
model with a child per concern, `resource_types.py` the class of each kind, `timeouts.py` how long
each may take. `engine.py` runs it all through the Automation API: `cli_process.py` stops Pulumi's
CLI in order, `events.py` collects what the engine reports, `pending.py` what a killed run left
open, `failures.py` turns failures into problems for the user.
"""
