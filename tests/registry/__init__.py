"""`servestack lock` against a real MLflow server, and against one that is gone."""
