"""Break the rules on purpose and count who notices: `python -m tests.mutation [MODULE …]`.

mutmut changes one place of a pure module at a time (`[tool.mutmut]` in pyproject.toml says which)
and runs the pure tests that reach it. It works on a copy under the data folder. Ends with 1 when
fewer than `LEAST` percent of the mutants are noticed. A module is a path such as
`approvals/quorum.py`; without one all are broken.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LEAST = 90.0
COPIED = ("approvals", "audit", "hitl_project", "reviews", "templates", "tests")
# How pytest ends where no test failed; anything else is a test, or a time limit, that noticed.
UNNOTICED = 0
NOT_REACHED = (5, 33)


def copy(to: Path) -> None:
    """Copy what the pure tests read; mutmut writes its mutants beside it."""
    shutil.rmtree(to, ignore_errors=True)
    for name in COPIED:
        shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("manage.py", "pyproject.toml"):
        shutil.copy(ROOT / name, to / name)


def results(folder: Path, module: str) -> dict[str, int | None]:
    """Return how the tests ended for each mutant of a module."""
    path = folder / "mutants" / f"{module}.meta"
    found: dict[str, int | None] = json.loads(path.read_text())["exit_code_by_key"]
    return found


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    asked.add_argument("modules", nargs="*", metavar="MODULE")
    asked.add_argument("--children", type=int, default=os.cpu_count() or 1)
    given = asked.parse_args()
    configured = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mutmut"]
    modules = given.modules or configured["only_mutate"]
    folder = Path(os.environ.get("HITL_DATA_DIR", ROOT / "var")).resolve() / "mutation"
    copy(folder)
    wanted = [f"{module.removesuffix('.py').replace('/', '.')}.*" for module in given.modules]
    began = time.monotonic()
    with (folder / "mutmut.log").open("wb") as log:
        run = subprocess.run(
            [sys.executable, "-m", "mutmut", "run", "--max-children", str(given.children), *wanted],
            cwd=folder,
            env=os.environ | {"TEST_DATABASE": "none"},
            stdout=log,
            stderr=log,
            check=False,
        )
    if run.returncode:
        print((folder / "mutmut.log").read_text(errors="replace")[-3000:])
        return 1
    counts, survivors = Counter[str](), []
    for module in modules:
        ended = results(folder, module)
        unnoticed = [name for name, code in ended.items() if code in (UNNOTICED, *NOT_REACHED)]
        untried = sum(code is None for code in ended.values())
        noticed = len(ended) - len(unnoticed) - untried
        counts.update(mutants=len(ended), noticed=noticed, untried=untried)
        survivors += unnoticed
        print(f"{module:28} {noticed:5} of {len(ended):5} noticed")
    score = 100 * counts["noticed"] / counts["mutants"]
    for name in survivors:
        print(f"  {name}")
    if survivors:
        print(f"See one with `cd {folder} && python -m mutmut show NAME`.")
    seconds = time.monotonic() - began
    print(
        f"{counts['noticed']} of {counts['mutants']} mutants noticed: {score:.1f} % "
        f"(at least {LEAST:.0f} %), in {seconds:.0f} s."
    )
    return int(score < LEAST)


if __name__ == "__main__":
    sys.exit(main())
