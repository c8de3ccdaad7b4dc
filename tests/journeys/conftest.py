"""Each journey brings its own database, so it is made once, in the half of the run it is about."""

import os

_DATABASE = os.environ.get("TEST_DATABASE", "sqlite")
_JOURNEYS = {
    "test_description_holds.py": "sqlite",
    "test_examples.py": "sqlite",
    "test_one_process.py": "sqlite",
    "test_quickstarts.py": "sqlite",
    "test_resuming.py": "sqlite",
    "test_seed_snippets.py": "sqlite",
    "test_stubs.py": "sqlite",
    "test_compose_processes.py": "postgresql",
    "test_separate_processes.py": "postgresql",
}

collect_ignore = [name for name, database in _JOURNEYS.items() if database != _DATABASE]
