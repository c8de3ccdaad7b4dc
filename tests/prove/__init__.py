"""Proofs of what is promised under races and faults, each with its negative control.

A row is one module named by its id (`d1_one_decision.py`) that exports a `ROW`: `run` does the
thing many times at once on a database of its own and counts breaches, of which there must be none;
`control` takes the mechanism away and does the same, and must find some. What was acknowledged is
kept by the hands that were told, outside the database. `python -m tests.prove` runs them;
`tests/concurrency` runs the same at a size that takes seconds.
"""
