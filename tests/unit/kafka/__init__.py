"""What of `servestack.kafka` needs no broker. The rest is in tests/real/test_events_command.py."""
