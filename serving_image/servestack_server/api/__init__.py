"""What answers each path, in the order of a request's way.

`dispatch.py` is the one seam to HTTP: it finds the route (`router.py`, filled by `routes.py`), asks
for the key (`keys.py`), adds the headers that every answer has (`cors.py`), calls the handler,
counts and logs. `errors.py` tells an error in the form of its protocol. `endpoint.py` is what all
predicting routes have in common: `predict.py` and `batch.py` are the service's own, `scoring.py`
MLflow's protocol, `inference.py` with `tensors.py` and `model_metadata.py` the Open Inference
Protocol. `content.py` undoes a body's encoding and looks at its type; `feedback.py`, `health.py`
and `pages.py` are the rest.
"""
