"""A process that does jobs: one line of JSON in, one line out."""

import json
import os
import sys


def main() -> None:
    """Do jobs until nobody sends any more."""
    # What a job prints must not look like a result.
    out, sys.stdout = sys.stdout, sys.stderr
    import django

    django.setup()
    from tests.bench import jobs

    for line in sys.stdin:
        job, arguments = json.loads(line)
        out.write(json.dumps(getattr(jobs, job)(**arguments)) + "\n")
        out.flush()
    os._exit(0)  # pools and nudges have threads that need no farewell


if __name__ == "__main__":
    main()
