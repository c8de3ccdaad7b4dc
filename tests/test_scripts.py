"""The scripts behind `make demo` leave a demo that runs alone."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving import ROOT


def run(script: str, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": os.environ["PATH"], "HITL_DATA_DIR": str(folder), "PORT": "8001"}
    return subprocess.run(
        [str(ROOT / "scripts" / script), *arguments], env=environment, cwd=ROOT,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("script", "arguments"), [("demo", (str(Path(sys.prefix)),)), ("demo-reset", ())]
)
def test_a_demo_that_runs_is_neither_started_again_nor_thrown_away(tmp_path, script, arguments):
    told = tmp_path / "demo.json"
    told.write_text(json.dumps({"url": "http://127.0.0.1:8000"}))
    with (tmp_path / "serve.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ended = run(script, tmp_path, *arguments)

    assert ended.returncode == 1, ended.stdout
    assert "is running" in ended.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo.json", "serve.lock"]
    assert json.loads(told.read_text()) == {"url": "http://127.0.0.1:8000"}


def test_a_demo_that_was_stopped_can_be_thrown_away(tmp_path):
    folder = tmp_path / "demo"
    folder.mkdir()
    for name in ("demo.json", "serve.lock"):
        (folder / name).touch()

    assert run("demo-reset", folder).returncode == 0
    assert not folder.exists()
