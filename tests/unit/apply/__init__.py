"""What the Pulumi program registers, under Pulumi's mocks, and how Pulumi's failures are told.

The same program on the real engine is in `tests/engine`.
"""
