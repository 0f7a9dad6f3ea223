"""From the bytes of a request to rows that a model may see.

`schema.py` compiles the columns of the spec, or of the signature, into one msgspec type, so that
parsing and checking are a single pass in C; `bodies.py` takes the forms apart that people send;
`problems.py` puts what is wrong in words, with a stable code, the row and the field.
"""
