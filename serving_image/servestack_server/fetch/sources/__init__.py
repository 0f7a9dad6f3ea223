"""Where artifacts come from, by the scheme of their address.

Each kind of address has its file and implements the protocol of `source.py`: list the files, and
stream one of them from a byte on. `choose.py` selects the source by scheme and refuses other
schemes. `http.py` is https and its client, `mlflow.py` the artifact proxy of an MLflow server over
HTTP, `object_store.py` s3 and gs through fsspec, `azure.py` Blob Storage and Data Lake,
`databricks.py` DBFS and volumes, `webhdfs.py` HDFS over HTTP, and `local.py` files and folders of this machine.
"""
