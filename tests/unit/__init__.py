"""Tests of functions, in folders that mirror the package.

They start no server and need no network.
"""
