"""The loader.

Every file in `invalid/` and `invalid_environments/` promises its errors in comments at its end,
and the fuzzer looks for a traceback.
"""
