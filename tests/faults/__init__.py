"""Breaks one part at a time under requests, and asks Kafka whether what was answered is there."""
