"""A pytest plugin: tests with chance in them try fewer examples, and the same ones each time.

A mutant that survives here survives every run, so the figure does not move by luck.
"""

from hypothesis import settings

settings.register_profile(
    "mutation", max_examples=25, deadline=None, derandomize=True, database=None
)
settings.load_profile("mutation")
