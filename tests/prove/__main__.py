"""Prove what is promised: `python -m tests.prove [--group D] [--row D1] [--scale 0.1]`.

A durable PostgreSQL is started; every run and every control gets a migrated database and a process
of its own. Ends with 1 when a promise is broken, or when a control does not break it.
"""

import argparse
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psycopg

from tests import servers
from tests.prove import catalogue, stage
from tests.prove.switches import NAME as OFF

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 1500.0


class House:
    """The servers of this run and the databases made on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kept = ("PATH", "HOME", "LANG", "VIRTUAL_ENV")
        self.environment = {name: os.environ[name] for name in kept if name in os.environ} | {
            "HITL_DATA_DIR": str(folder),
            "DJANGO_SETTINGS_MODULE": "tests.prove.settings",
            "PYTHONUNBUFFERED": "1",
            "DATABASE_POOL_MAX": "24",
        }
        self.server = servers.start_postgresql(folder, durable=True)
        self._query("CREATE DATABASE prove_template")
        self._migrate(self._address("prove_template"))
        self.sqlite = folder / "template.sqlite3"

    def _query(self, query: str) -> None:
        url = self.server.url.replace("postgres://", "postgresql://")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(query)

    def _address(self, name: str) -> str:
        return f"{self.server.url.rpartition('/')[0]}/{name}"

    def _migrate(self, url: str) -> None:
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
            cwd=ROOT,
            env=self.environment | {"DATABASE_URL": url},
            check=True,
        )

    def new_database(self, kind: str, name: str) -> str:
        """Return the address of a migrated, empty database."""
        if kind == "sqlite":
            if not self.sqlite.exists():
                self._migrate(f"sqlite:///{self.sqlite}")
            copy = self.folder / f"{name}.sqlite3"
            shutil.copy(self.sqlite, copy)
            return f"sqlite:///{copy}"
        self._query(f"CREATE DATABASE {name} TEMPLATE prove_template")
        return self._address(name)

    def drop(self, kind: str, name: str) -> None:
        if kind == "sqlite":
            (self.folder / f"{name}.sqlite3").unlink()
        else:
            self._query(f"DROP DATABASE {name} WITH (FORCE)")

    def stage(self, id: str, part: str, *, scale: float, seed: int) -> dict[str, Any]:
        """Run one part of a row in a process of its own and return what it found."""
        kind = catalogue.find(id).database
        if kind != "both":
            return self._stage(id, part, kind, scale=scale, seed=seed)
        kinds = ("postgresql", "sqlite")
        found = [self._stage(id, part, kind, scale=scale, seed=seed) for kind in kinds]
        wrong = next((one for one in found if "error" in one), None)
        if wrong:
            return wrong
        broken = [one["broken"] for one in found]
        joined = {word: " / ".join(one[word] for one in found) for word in ("sentence", "ran")}
        # A control that breaks on one database only shows nothing about the other.
        counts = sum(broken) if part == "run" or all(broken) else 0
        details = {kind: one["details"] for kind, one in zip(kinds, found, strict=True)}
        return {**joined, "broken": counts, "details": details}

    def _stage(self, id: str, part: str, kind: str, *, scale: float, seed: int) -> dict[str, Any]:
        name = f"{id.lower()}_{part}_{kind}"
        out = self.folder / f"{name}.json"
        environment = self.environment | {"DATABASE_URL": self.new_database(kind, name), OFF: ""}
        command = [sys.executable, "-m", "tests.prove.stage", id, part, "--scale", str(scale)]
        command += ["--seed", str(seed), "--folder", str(self.folder), "--out", str(out)]
        # A session of its own, so that its workers end with it when it takes too long.
        process = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True)
        try:
            process.wait(LONGEST)
        except subprocess.TimeoutExpired:
            return {"error": f"did not end within {LONGEST:.0f} s"}
        finally:
            if process.poll() is None:
                os.killpg(process.pid, 9)
                process.wait()
        found = json.loads(out.read_text()) if out.exists() else {"error": "ended without a word"}
        self.drop(kind, name)
        return dict(found)

    def close(self) -> None:
        self.server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def prove(house: House, id: str, *, scale: float, seed: int) -> dict[str, Any]:
    """Return a row's result: its run, its control, and whether it passes."""
    began = time.monotonic()
    run = house.stage(id, "run", scale=scale, seed=seed)
    control = house.stage(id, "control", scale=scale, seed=seed)
    row = catalogue.find(id)
    return {
        "id": id,
        "promise": row.promise,
        "seed": seed,
        "scale": scale,
        "run": run,
        "control": control,
        "seconds": round(time.monotonic() - began, 1),
        # Only 0 is a pass, and only a control that breaks shows that 0 means anything.
        "passed": run.get("broken") == 0 and control.get("broken", 0) > 0,
    }


def _cells(result: dict[str, Any]) -> list[str]:
    def told(part: dict[str, Any]) -> str:
        return str(part["error"]).strip().splitlines()[-1] if "error" in part else part["sentence"]

    return [
        result["id"],
        result["promise"],
        f"{result['run'].get('ran', '-')}; seed {result['seed']}",
        told(result["run"]),
        f"{result['control'].get('ran', '-')}: {told(result['control'])}",
        f"{result['seconds']:.0f}",
        "PASS" if result["passed"] else "FAIL",
    ]


def table(results: list[dict[str, Any]]) -> str:
    """Return the results as one Markdown table."""
    head = ["#", "Promise", "What ran", "Result", "Control (mechanism off)", "s", ""]
    lines = [head, ["---"] * len(head)]
    lines += [[cell.replace("|", "/") for cell in _cells(result)] for result in results]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m tests.prove", description=__doc__)
    asked.add_argument("--group", help="D, F, C or A")
    asked.add_argument("--row", help="for example D1")
    asked.add_argument("--scale", type=float, default=1.0, help="share of the full size")
    asked.add_argument("--seed", type=int, default=None)
    given = asked.parse_args()
    chosen = catalogue.ids(group=given.group, row=given.row)
    if not chosen:
        asked.error("there is no such row")
    seed = secrets.randbits(31) if given.seed is None else given.seed
    out = Path(os.environ.get("HITL_DATA_DIR", "var")) / "prove.json"
    house = House(servers.short_folder())
    # Rows name models, so reading them takes Django; this process touches no database of theirs.
    os.environ.update(house.environment)
    stage.set_up()
    results = []
    try:
        for one in chosen:
            results.append(prove(house, one, scale=given.scale, seed=seed))
            cells = _cells(results[-1])
            print(f"{cells[0]:4} {cells[6]} {cells[5]:>4} s  {cells[3]}", flush=True)
            for part in ("run", "control"):
                if "error" in results[-1][part]:
                    print(results[-1][part]["error"], flush=True)
    finally:
        house.close()
    print("\n" + table(results))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"seed": seed, "scale": given.scale, "rows": results}, indent=2))
    failed = [result["id"] for result in results if not result["passed"]]
    print(f"\n{len(results) - len(failed)} of {len(results)} proved; written to {out}.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
