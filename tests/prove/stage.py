"""One run of one row in a process of its own: `python -m tests.prove.stage`.

The address of its database comes in the environment; the figure goes to a file.
"""

import argparse
import json
import os
import sys
import time
import traceback
import warnings
from dataclasses import asdict
from pathlib import Path

from tests.prove.rows import Row


def set_up() -> None:
    """Prepare Django, and take away what is switched off."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.prove.settings")
    import django

    from tests.prove import switches

    switches.before_django()
    django.setup()
    switches.apply()


def main(arguments: list[str]) -> int:
    """Run a row or its control and write down what it found."""
    asked = argparse.ArgumentParser()
    asked.add_argument("row")
    asked.add_argument("part", choices=["run", "control"])
    asked.add_argument("--scale", type=float, required=True)
    asked.add_argument("--seed", type=int, required=True)
    asked.add_argument("--folder", type=Path, required=True)
    asked.add_argument("--out", type=Path, required=True)
    given = asked.parse_args(arguments)
    warnings.filterwarnings("ignore")
    set_up()
    from tests.prove import catalogue
    from tests.prove.scene import Scene

    row: Row = catalogue.find(given.row)

    scene = Scene(folder=given.folder, scale=given.scale, seed=given.seed)
    began = time.monotonic()
    try:
        found = asdict((row.run if given.part == "run" else row.control)(scene))
    except Exception:
        found = {"error": traceback.format_exc()}
    found["seconds"] = round(time.monotonic() - began, 1)
    given.out.write_text(json.dumps(found, default=str))
    return 1 if "error" in found else 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    # Threads of pools and nudges are daemons; nothing is left to be saved.
    os._exit(code)
