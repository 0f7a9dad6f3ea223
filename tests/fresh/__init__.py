"""The view of a machine as new, tried from inside and from outside."""
