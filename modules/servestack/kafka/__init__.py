"""Speaks to Kafka's brokers: what topics there are, and what `servestack topics` changes."""
