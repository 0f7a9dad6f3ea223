"""The view of a machine as new, tried from inside and from outside.

`tools.fresh` shows a command this machine as it was before any run: what the command finds there,
what it may leave, and when it is refused. CI runs all tests in such a view; these tests show that
the view hides what it says.
"""
