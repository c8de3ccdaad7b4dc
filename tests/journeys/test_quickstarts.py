"""What the pages tell a newcomer to type is typed here, word for word, beside a running service."""

import http.client
import json
import re
import select
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests import serving
from tests.journeys.driving import Caller, Demo, Waiting
from tests.servers import free_port

pytestmark = [pytest.mark.real, pytest.mark.once]

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = ("README.md", *sorted(
    str(page.relative_to(serving.ROOT)) for page in (serving.ROOT / "docs/how-to").glob("*.md")
))  # fmt: skip
INTEGRATE = "docs/how-to/integrate.md"
# Every program on these pages, by words only it has; a new one belongs into a test below.
KNOWN = {
    "README.md": ["def extend_loan_term"],
    INTEGRATE: [
        "def refund", "HumanStep(", "class Receiver", "def handle", "with connect(",
    ],
}  # fmt: skip


def programs(page: str) -> list[str]:
    """Return the Python programs of a page, as they stand there."""
    return BLOCK.findall((serving.ROOT / page).read_text(encoding="utf-8"))


def program(page: str, words: str) -> str:
    """Return the program of a page that has these words."""
    (found,) = [one for one in programs(page) if words in one]
    return found


def test_every_program_on_the_pages_is_known_here():
    for page in PAGES:
        for one in programs(page):
            assert sum(words in one for words in KNOWN.get(page, [])) == 1, f"{page}:\n{one}"


@dataclass
class Newcomer:
    """Somebody with a running demo and an empty folder."""

    served: serving.Served
    demo: Demo
    folder: Path

    def start(self, program: str, **more: str) -> "subprocess.Popen[str]":
        given = {"HITL_URL": self.served.url, "HITL_TOKEN": self.demo.service_key, **more}
        return subprocess.Popen(
            [sys.executable, "-u", "-c", program],
            cwd=self.folder,
            env=serving.environment(self.served.folder, **given),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def approve(self, part: str) -> None:
        """Approve the ticket about this, once it is there."""
        chloe = Caller(self.served.url, self.demo.people["chloe"]["token"])
        while True:
            for row in chloe.get("/api/v1/tickets?status=pending&limit=200").body["data"]:
                if part in json.dumps(row["proposal"]):
                    assert chloe.vote(row["id"], "approve").status == 201
                    return


@pytest.fixture
def newcomer(migrated_folder: Path, tmp_path: Path) -> Iterator[Newcomer]:
    folder = Path(shutil.copytree(migrated_folder, tmp_path / "data"))
    seeded = serving.manage("seed_demo", folder=folder)
    assert seeded.returncode == 0, seeded.stderr
    with serving.serving(folder) as service:
        home = tmp_path / "home"
        (home / "var").mkdir(parents=True)
        told: dict[str, Any] = json.loads((folder / "demo.json").read_text())
        (home / "var" / "demo.json").write_text(json.dumps({**told, "url": service.url}))
        yield Newcomer(service, Demo.read(folder), home)


def test_the_functions_of_the_pages_run_once_a_person_said_yes(newcomer):
    for one, about, printed in (
        (
            program("README.md", "def extend_loan_term"),
            "extend_loan_term",
            "Loans may now run 7 years.\n",
        ),
        (program(INTEGRATE, "def refund"), "refund", "250 go back for A-17.\n"),
    ):
        waiting = newcomer.start(one)
        newcomer.approve(about)
        out, err = Waiting(waiting.communicate).answer()
        assert (waiting.returncode, out) == (0, printed), err


def test_the_example_the_readme_names_is_the_one_it_shows(newcomer):
    example = (serving.ROOT / "docs/examples/require_approval.py").read_text()
    shown = program("README.md", "def extend_loan_term")
    calls = [line.partition("#")[0].rstrip() for line in shown.splitlines()[-8:]]
    assert [line for line in calls if line and line not in example] == []
    waiting = newcomer.start(example, HITL_DATA_DIR="var")
    newcomer.approve("extend_loan_term")
    out, _ = Waiting(waiting.communicate).answer()
    assert out == "Loans may now run 7 years.\n"


def test_the_pipeline_of_the_page_ends_and_comes_back(newcomer):
    asking = program(INTEGRATE, "HumanStep(")
    out, err = newcomer.start(asking).communicate(timeout=40)
    assert out.startswith("awaiting_review ")
    assert "hitl_client.errors.Pending" in err
    newcomer.approve("Dear readers")
    again = newcomer.start(asking + "\nprint(data)")
    out, err = again.communicate(timeout=40)
    assert again.returncode == 0, err
    assert out.splitlines()[-1] == "{'generated_content': 'Dear readers, …'}"


def test_the_receiver_of_the_page_believes_who_signs_and_takes_a_ping(newcomer):
    port = free_port()
    receiver = program(INTEGRATE, "class Receiver").replace("9000", str(port))
    secret = "whsec_" + "A" * 43 + "="
    listening = newcomer.start(receiver, WEBHOOK_SECRET=secret)
    try:
        serving.await_port(port, listening)
        caller = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        caller.request("POST", "/", b"{}", {"webhook-id": "x"})
        assert caller.getresponse().status == 400
        # What *Send a ping* sends is about no ticket.
        body, now = json.dumps({"type": "ping", "data": {"by": "maya"}}), datetime.now(UTC)
        signature = Webhook(secret).sign("msg_ping", now, body)
        stamped = {"webhook-id": "msg_ping", "webhook-timestamp": str(int(now.timestamp()))}
        caller = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        caller.request("POST", "/", body, {**stamped, "webhook-signature": signature})
        assert caller.getresponse().status == 204
    finally:
        listening.kill()
        listening.communicate()


def test_a_message_that_comes_twice_is_acted_on_once():
    acted: list[str] = []
    given = {"sqlite3": sqlite3, "act_on": acted.append}
    exec(program(INTEGRATE, "def handle"), given)
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE seen (webhook_id TEXT PRIMARY KEY)")
    for message in ("m1", "m2", "m1"):
        given["handle"](database, message, message)
    assert acted == ["m1", "m2"]


def test_a_program_that_listens_hears_of_its_decisions(newcomer):
    listening = newcomer.start(program(INTEGRATE, "with connect("))
    assert listening.stdout is not None
    machine = Caller(newcomer.served.url, newcomer.demo.service_key)
    try:
        # Nobody tells when it listens, so tickets are decided until it has heard of one.
        for number in range(40):
            machine.post("/api/v1/tickets", {"title": "Heard?", "proposal": {"note": f"n{number}"}})
            newcomer.approve(f"n{number}")
            if select.select([listening.stdout], [], [], 1)[0]:
                break
        assert Waiting(listening.stdout.readline).answer() == "True\n"
    finally:
        listening.kill()
        listening.communicate()
