"""What generator and model server agree on: settings, events, metrics, artifacts.

`servestack` writes these formats and `servestack_server` reads them. This package imports neither
of them. It needs only msgspec and PyYAML, and does no I/O except reading artifacts (docs/adr/0014). `buckets`
alone needs numpy too: what profiles a model and what counts for it import it.
"""

__version__ = "0.1.0"
"""The version of generator, server and images."""
