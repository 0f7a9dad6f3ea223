"""One adapter a framework: `load(artifact, given, trust) -> Loaded`.

One adapter for each framework, named as MLflow names the flavor: `load(artifact, given, trust) ->
Loaded` imports the framework, deserialises the model as far as `trust` allows, and builds the one
function that turns rows into what the model answers, with everything decided that can be decided
before the first request.
"""
