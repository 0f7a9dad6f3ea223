"""The handlers of all paths.

`dispatch.py` is the only interface to HTTP: it finds the route (`router.py`, filled by
`routes.py`), checks the API key (`keys.py`), adds the headers that every answer has (`cors.py`),
calls the handler, counts and logs. `errors.py` writes an error in the form of its protocol.
`endpoint.py` is what all predicting routes share: `predict.py` and `batch.py` are the service's
own, `scoring.py` is MLflow's protocol, and `inference.py` with `infer_request.py`, `infer_rows.py`,
`tensors.py` and `model_metadata.py` is the Open Inference Protocol. `seldon.py` is Seldon Core 1's, where the spec asks for it.
`content.py` decompresses a body and finds its type. `feedback.py`, `health.py` and `pages.py` are the
other routes.
"""
