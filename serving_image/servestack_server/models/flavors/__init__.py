"""One adapter for each framework: `load(artifact, given, trust) -> Loaded`.

Each module has MLflow's name of its flavor. `load` imports the framework, deserialises the model as
far as `trust` allows, and builds the function from rows to outputs. It makes every decision that is
possible before the first request. It raises StartError for every failure.
"""
