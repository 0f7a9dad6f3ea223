"""`pulumi up` declares what `render` writes.

The Pulumi program runs under mocks in a process of its own (`tests/support/pulumi_mocks.py`), and
what it registers is compared with the rendered files read back.
"""
