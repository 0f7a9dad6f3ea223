"""Judges an experiment: pure statistics over numbers that somebody else has read.

`sequences` has the formulas, `units` makes one observation of each unit, `verdict` asks the questions
of an experiment in their order, `report` puts the answers into words.
"""
