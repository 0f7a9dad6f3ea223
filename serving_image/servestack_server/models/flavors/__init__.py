"""One adapter a framework: `load(artifact, given, trust) -> Loaded`."""
