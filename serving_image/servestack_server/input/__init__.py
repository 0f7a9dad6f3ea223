"""From the bytes of a request to rows that are checked against the model's input.

`schema.py` compiles the columns of the spec, or of the signature, into one msgspec type, so that
parsing and checking are a single pass in C. `bodies.py` reads the forms of bodies that people send.
`problems.py` describes errors, with a stable code, the row and the field.
"""
