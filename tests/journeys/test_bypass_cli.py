"""An emergency from the command line against a running service: `hitl bypass` on a terminal."""

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import serving
from tests.browser.calls import Api

pytestmark = [pytest.mark.real, pytest.mark.once]


@dataclass
class Office:
    """A running demo as its people's terminals see it."""

    url: str
    people: dict[str, dict[str, Any]]
    agent: Api

    def run(self, who: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command without a terminal."""
        return subprocess.run(
            [sys.executable, "-m", "hitl_client", *arguments],
            env=self._environment(who),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def type(self, who: str, *arguments: str, answer: str) -> tuple[int, str]:
        """Run a command on a terminal, answer the one thing it asks; return how it ended."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(
                sys.executable,
                [sys.executable, "-m", "hitl_client", *arguments],
                self._environment(who),
            )
        shown, answered, deadline = b"", False, time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                shown += os.read(terminal, 4096)
            except OSError:  # the program has ended
                break
            if b"password:" in shown and not answered:
                os.write(terminal, answer.encode() + b"\n")
                answered = True
        _, status = os.waitpid(pid, 0)
        return os.waitstatus_to_exitcode(status), shown.decode()

    def _environment(self, who: str) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        return kept | {"HITL_URL": self.url, "HITL_TOKEN": self.people[who]["token"]}


@pytest.fixture
def office(data_folder: Path) -> Iterator[Office]:
    seeded = serving.manage("seed_demo", folder=data_folder)
    assert seeded.returncode == 0, seeded.stderr
    known = json.loads((data_folder / "demo.json").read_text())
    with serving.serving(data_folder) as served:
        people = {person["username"]: person for person in known["people"]}
        yield Office(served.url, people, Api(served.url, known["service_key"]))


def test_leo_passes_an_hour_from_his_terminal(office: Office) -> None:
    asked = ("hitl-override", "--duration=1h", "--reason=The mail provider is down.")
    assert office.run("leo", *asked).returncode == 2  # no terminal, no bypass
    code, shown = office.type("leo", *asked, answer="a guess")
    assert code == 1
    assert "This is not your password." in shown
    assert office.agent.open("Pay the ferry")["status"] == "pending"
    assert office.run("ana", *asked).returncode == 1  # without the right nothing is even asked

    password = office.people["leo"]["password"]
    code, shown = office.type("leo", *asked, answer=password)
    assert code == 0, shown
    assert "BYPASS ACTIVE until" in shown
    assert "Maya Singh" in shown
    assert password not in shown
    assert office.agent.open("Pay the florist")["decision"]["by"] == "bypass"
    told = office.run("ana", "hitl-status").stdout
    assert "RED       BYPASS ACTIVE until" in told
    assert "by Leo Marchetti, everything passes: The mail provider is down." in told
    assert "Paused    cost-threshold" in told
    again = office.run("leo", *asked)
    assert again.returncode == 1
    assert "still running" in again.stderr
