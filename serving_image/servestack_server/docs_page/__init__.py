"""The OpenAPI description of a service, and the Swagger UI page that shows it.

`openapi.py` builds the OpenAPI 3.1 description with the model's real input. It takes the paths from
`own_routes.py` and `inference_protocol.py`, the schemas from `input_schema.py` and
`value_schema.py`, the answers from `answers.py` and the example from `example.py`. `swagger.py` is
the Swagger UI page that shows it. All files come from the image, and the Content-Security-Policy
allows no other host.
"""
