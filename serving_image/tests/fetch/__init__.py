"""Tests of the init container's work against real parts.

An HTTP server with and without ranges, over TLS too, that breaks off, asks for patience and
counts the bytes that it sends (`range_server.py`); a real MLflow server; S3 and GCS as moto and
the GCS emulator speak them; processes that are killed in the middle; a disk that is full.
Archives and names come from hypothesis. `python -m serving_image.tests.fetch.measure`, run by
hand, prints the speed and memory of a 500 MB download.
"""
