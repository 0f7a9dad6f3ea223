"""What tests share.

Projects to run over, a real apiserver (`apiserver.py`), a real MLflow server
(`mlflow_server.py`), a real Kafka with SASL over TLS (`kafka.py`), Filebeat with what is rendered
(`filebeat.py`), a stand-in for Pulumi's Kubernetes plugin, resolved services from a few words.
"""
