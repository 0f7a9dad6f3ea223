"""Where artifacts come from, by the scheme of their address.

The kinds of addresses, one file each, behind the small contract of `source.py`: list the files,
stream one of them from a byte on. `choose.py` picks by scheme and refuses the rest with the
reason, `http.py` is https and the client under it, `mlflow.py` the artifact proxy of an MLflow
server over plain HTTP, `object_store.py` s3 and gs through fsspec, `local.py` files and folders
of this machine.
"""
