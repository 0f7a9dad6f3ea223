"""From the bytes of a request to rows that are checked against the model's input.

`schema.py` compiles the columns of the spec, or of the signature, into one msgspec type, so that
parsing and checking are a single pass in C. `values.py` has the type of one value, and the checks of
what stands inside it. `bodies.py` reads the forms of bodies that people send, `params.py` what they
say beside their rows. `problems.py` describes errors, with a stable code, the row and the field.
"""
