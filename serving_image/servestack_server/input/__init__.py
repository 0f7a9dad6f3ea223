"""From the bytes of a request to rows that are checked against the model's input.

`schema.py` compiles the columns of the spec, or of the signature, into one msgspec type, so that
parsing and checking are a single pass in C. `values.py` has the type of one value, and the checks of
what stands inside it, `moments.py` its dates; `tensor_schema.py` has inputs that are arrays, and
`datatypes.py` the names that the Open Inference Protocol has for types. `readers.py` chooses by the
content type (`content_type.py`) who reads a body: `bodies.py` JSON in the forms that people send,
`csv_rows.py` CSV, `forms.py` multipart/form-data, `raw_bytes.py` bodies of bytes. `params.py` reads
what JSON says beside its rows. `problems.py` describes errors, with a stable code, the row and the
field.
"""
