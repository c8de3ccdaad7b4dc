"""The whole human-in-the-loop process over real HTTP, against a real server, by all three doors."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import serving
from tests.serving import ROOT, Served

pytestmark = [pytest.mark.real, pytest.mark.once]

STEPS = [
    *["ready", "open", "list", "claim", "vote", "wait", "receipt", "consume", "webhook"],
    *["open", "machine", "open", "ask back", "returned", "resubmit", "vote", "wait"],
    *["open", "vote", "wait", "open", "cancel", "open", "timeout"],
]


def seeded(migrated_folder: Path, folder: Path) -> Path:
    """Return the folder, with the people of the demo in its database."""
    (folder / "countersign.sqlite3").write_bytes(
        (migrated_folder / "countersign.sqlite3").read_bytes()
    )
    done = serving.manage("seed_demo", folder=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def demo(migrated_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = seeded(migrated_folder, tmp_path_factory.mktemp("process"))
    with serving.serving(folder, HITL_OUTBOUND_ALLOWED="127.0.0.1:*") as served:
        yield served
        served.stop()
        assert "Traceback" not in served.log


def steps(lines: str) -> list[str]:
    rows = [line for line in lines.splitlines() if " s  " in line]
    assert all(row.startswith("ok ") for row in rows), lines
    return [row.split(" s  ", 1)[1][:9].strip() for row in rows]


def run(demo: Served, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, env=serving.environment(demo.folder, **more), capture_output=True,
        text=True, timeout=120, check=False,
    )  # fmt: skip


def test_the_script_drives_every_step(demo):
    script = [sys.executable, "scripts/test_hitl_simulation.py", demo.url]
    ended = run(demo, *script)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert steps(ended.stdout) == STEPS
    assert "hitl_" not in ended.stdout


def test_the_management_command_drives_every_step(demo):
    ended = run(demo, sys.executable, "manage.py", "simulate", "--url", demo.url)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert steps(ended.stdout) == STEPS


def test_what_the_command_says_is_not_lost_between_the_calls_it_makes(demo):
    ended = run(demo, sys.executable, "manage.py", "simulate", "--url", demo.url)

    assert ended.stderr == ""


def test_a_service_that_may_not_call_this_machine_skips_that_step(migrated_folder, tmp_path):
    with serving.serving(seeded(migrated_folder, tmp_path)) as served:
        ended = run(served, sys.executable, "manage.py", "simulate", "--url", served.url)

    assert ended.returncode == 0, ended.stdout
    (skipped,) = [line for line in ended.stdout.splitlines() if line.startswith("skip")]
    assert "HITL_OUTBOUND_ALLOWED" in skipped


def test_the_command_line_drives_every_step_and_says_so_as_json(demo):
    hitl = Path(sys.executable).with_name("hitl")
    people = str(demo.folder / "demo.json")
    given = ["simulate", "--people", people, "--output", "json"]
    ended = run(demo, str(hitl), *given, HITL_URL=demo.url)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    told = json.loads(ended.stdout)
    assert [step["name"] for step in told] == STEPS
    assert {step["result"] for step in told} == {"ok"}
    assert all(step["seconds"] < 20 for step in told)


def test_a_step_that_fails_is_told_and_ends_with_one(demo):
    people = json.loads((demo.folder / "demo.json").read_text())
    for person in people["people"]:
        person["token"] = people["service_key"]  # machines, all of them
    other = demo.folder / "machines.json"
    other.write_text(json.dumps(people))
    ended = run(demo, sys.executable, "manage.py", "simulate", "--people", str(other),
                "--url", demo.url)  # fmt: skip

    assert ended.returncode == 1
    assert "FAIL" in ended.stdout
    assert "none of the people may vote on it" in ended.stdout or "does not wait" in ended.stdout


def test_where_nothing_listens_it_says_so(tmp_path):
    nobody = {"url": "http://127.0.0.1:1", "service_key": "hitl_00000000_x", "people": []}
    (tmp_path / "demo.json").write_text(json.dumps(nobody))
    ended = serving.manage("simulate", folder=tmp_path)

    assert ended.returncode != 0
    assert "nobody is there who could vote" in ended.stderr
