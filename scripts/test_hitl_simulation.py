#!/usr/bin/env python3
"""Drive a whole approval against a running service: scripts/test_hitl_simulation.py [URL].

    make demo                                            # in one terminal
    python scripts/test_hitl_simulation.py               # in another

PEOPLE is a file in the form of demo.json; unset it is the demo's own. Ends with 1 when a step
failed. It takes the client (`pip install ./sdk`) and nothing of the service.
"""

import os
import sys
from pathlib import Path

from hitl_client.simulation import Party, simulate, told

DEMO = Path(os.environ.get("HITL_DATA_DIR", Path(__file__).resolve().parents[1] / "var"))


def main(url: str | None, people: Path) -> int:
    """Run every step, print each with its time, and return the exit code."""
    try:
        steps = simulate(Party.read(people, url=url), say=lambda step: print(told(step)))
    except ValueError as problem:
        print(f"{problem}.", file=sys.stderr)
        return 2
    failed = [step for step in steps if step.result == "FAIL"]
    print(f"{len(steps) - len(failed)} of {len(steps)} steps went well.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(
        main(
            sys.argv[1] if len(sys.argv) > 1 else None,
            Path(os.environ.get("PEOPLE") or DEMO / "demo.json"),
        )
    )
