"""What the benchmarks make of what they measured.

Wrk's output read, ratios and promises worked out from given figures.
"""
