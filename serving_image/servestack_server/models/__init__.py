"""Models: read from a verified artifact, loaded, and converted to ONNX where that pays."""
