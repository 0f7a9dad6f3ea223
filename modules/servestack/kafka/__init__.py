"""Talks to the environment's Kafka from the user's machine. The only package that knows its client.

`connection` makes a client's settings from an environment and the user's own credentials, `reports`
turns what the client reports into errors for the user.
"""
