"""Writes events: lines of JSON in files that Filebeat ships to Kafka."""
