"""The OpenAPI description of a service, and the Swagger UI page that shows it.

What a person sees of the service: the OpenAPI 3.1 description with the model's true input
(`openapi.py`, from the paths in `own_routes.py` and `inference_protocol.py`, the schemas in
`input_schema.py`, the answers in `answers.py` and the example in `example.py`), and the Swagger
UI page that shows it (`swagger.py`), all of it from files in the image, under a
Content-Security-Policy that lets no other host in.
"""
