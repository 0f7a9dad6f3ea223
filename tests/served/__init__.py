"""From a model in a real MLflow server to its answers, as its owner goes.

`servestack new` writes the spec, `servestack serve` fetches what the registry has, verifies,
converts and serves it, and the answers are held to those of MLflow's own loader, for each
framework of the stock image, for three of them in one answer, for the owner's own code, and for a
model in the image.
"""
