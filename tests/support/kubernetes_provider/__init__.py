"""A stand-in for Pulumi's Kubernetes plugin, for tests. See README.md."""

from tests.support.kubernetes_provider.server import serving_provider

__all__ = ["serving_provider"]
