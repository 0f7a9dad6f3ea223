"""Answers compared with mlflow.pyfunc's, model by model: `make parity` takes all, the tests some."""
