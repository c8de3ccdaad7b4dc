"""Measure: `python -m tests.bench [--only P3,P4] [--rounds 5]`.

Prints one table with both sides of every ratio and writes `var/bench.json`. Ends with 1 when a
figure misses what it must reach.
"""

import argparse
import json
import os
import platform
import sys
import time
import traceback
from statistics import median

from tests import servers
from tests.bench.figure import Figure, Outcome
from tests.bench.figures import FIGURES
from tests.bench.house import ROOT, House

LEAST_ROUNDS = 5


def main() -> int:
    """Measure the figures asked for, in order."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", default="", help="for example P3,P4")
    parser.add_argument("--rounds", type=int, default=LEAST_ROUNDS)
    asked = parser.parse_args()
    only = {each.strip().upper() for each in asked.only.split(",") if each.strip()}
    unknown = only - {figure.id for figure in FIGURES}
    if unknown:
        parser.error(f"no figure {', '.join(sorted(unknown))}")
    house = House(servers.short_folder())
    outcomes: list[Outcome] = []
    failed: list[str] = []
    started = time.monotonic()
    print(header(), flush=True)
    try:
        for figure in FIGURES:
            if not only or figure.id in only:
                try:
                    found = measured(figure, house, max(1, asked.rounds))
                except Exception:  # one that cannot be measured must not cost us the others
                    traceback.print_exc()
                    print(f"{figure.id:4}could not be measured", flush=True)
                    failed.append(figure.id)
                    continue
                for outcome in found:
                    print(line(outcome), flush=True)
                outcomes += found
    finally:
        house.close()
    seconds = time.monotonic() - started
    print(f"{seconds:.0f} s, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end")
    write(outcomes, seconds, asked.rounds)
    return int(bool(failed) or any(outcome.verdict == "MISSED" for outcome in outcomes))


def measured(figure: Figure, house: House, rounds: int) -> list[Outcome]:
    """Return a figure's rows after all rounds."""
    try:
        found = list(figure.measure(house, rounds))
    finally:
        house.rest()
    columns = zip(*found, strict=True)
    return [
        Outcome(figure.id, row, tuple(pairs))
        for row, pairs in zip(figure.rows, columns, strict=True)
    ]


def header() -> str:
    return (
        f"{'':4}{'what':46}{'ours':>10}{'floor':>10} {'unit':8}"
        f"{'result':>8} {'least–most':>15}{'must':>8}{'aim':>8}  reached"
    )


def line(outcome: Outcome) -> str:
    row, results = outcome.row, outcome.results
    ours = median(pair[0] for pair in outcome.pairs)
    floor = median(pair[1] for pair in outcome.pairs)
    spread = f"{min(results):.3g}–{max(results):.3g}"
    return (
        f"{outcome.figure:4}{row.what:46}{ours:10.4g}{floor:10.4g} {row.unit:8}"
        f"{outcome.result:8.3g} {spread:>15}{row.must!s:>8}{row.aim!s:>8}  {outcome.verdict}"
    )


def write(outcomes: list[Outcome], seconds: float, rounds: int) -> None:
    """Write the figures where other tools find them."""
    target = ROOT / "var" / "bench.json"
    target.parent.mkdir(exist_ok=True)
    about: dict[str, object] = {
        "seconds": round(seconds, 1),
        "rounds": rounds,
        "cores": os.cpu_count(),
    }
    about |= {"python": platform.python_version(), "system": platform.platform()}
    rows = [outcome.as_json() for outcome in outcomes]
    target.write_text(json.dumps({**about, "figures": rows}, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
