"""What the generator and the model server agree on, written once: settings, events, metrics, artifacts.

`servestack` writes by it, `servestack_server` reads by it. It needs msgspec and PyYAML, imports
neither of the two, and does no I/O but reading the artifact that it is asked about (docs/adr/0014).
"""

__version__ = "0.1.0"
"""Of generator, server and images alike."""
