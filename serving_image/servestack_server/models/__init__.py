"""Loads models from verified artifacts, and converts them to ONNX if that is faster."""
