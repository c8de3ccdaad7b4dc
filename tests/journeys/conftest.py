"""Each journey brings its own database, so it is made once, in the half of the run it is about."""

import os

_DATABASE = os.environ.get("TEST_DATABASE", "sqlite")
_JOURNEYS = {"sqlite": "test_one_process.py", "postgresql": "test_separate_processes.py"}

collect_ignore = [name for database, name in _JOURNEYS.items() if database != _DATABASE]
