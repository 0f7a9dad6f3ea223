"""The OpenAPI description of a service, and the Swagger UI page that shows it."""

from servestack_server.docs_page.openapi import openapi_document
from servestack_server.docs_page.swagger import CONTENT_SECURITY_POLICY, swagger_page

__all__ = ["CONTENT_SECURITY_POLICY", "openapi_document", "swagger_page"]
