"""The OpenAPI description of a service, and the Swagger UI page that shows it."""
