"""Every program in docs/examples runs as it stands, beside a running service with real webhooks."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from standardwebhooks.webhooks import Webhook

from tests import serving
from tests.journeys.driving import Caller, Demo, Waiting
from tests.servers import free_port

pytestmark = [pytest.mark.real, pytest.mark.once]

EXAMPLES = serving.ROOT / "docs" / "examples"
# How each framework serves its receiver on a port.
RECEIVERS = {
    "fastapi": ("uvicorn", "fastapi_receiver:app", "--port"),
    "flask": ("flask", "--app", "flask_receiver", "run", "--port"),
    "django": ("django_receiver", "runserver", "--noreload"),
}
HOUSE = """
from approvals.models import User
from approvals.services.keys import create_key
from audit.clock import db_now
key, token = create_key(
    name="examples", kind="service", owner=User.objects.get(username="ada"), now=db_now()
)
print(token, key.callback_secret)
"""


@dataclass
class Office:
    """A running service, the people of the demo, and the key of the examples."""

    served: serving.Served
    demo: Demo
    key: str
    secret: str

    def environment(self, **more: str) -> dict[str, str]:
        given = {"HITL_URL": self.served.url, "HITL_TOKEN": self.key, **more}
        return serving.environment(self.served.folder, **given)

    def run(self, name: str) -> list[str]:
        """Run an example to its end; return the lines it printed."""
        done = subprocess.run(
            [sys.executable, str(EXAMPLES / name)],
            cwd=serving.ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def person(self, name: str = "chloe") -> Caller:
        return Caller(self.served.url, self.demo.people[name]["token"])

    def waiting(self, title: str) -> dict[str, Any]:
        """Return the ticket of this title that waits."""
        rows = self.person("maya").get("/api/v1/tickets?status=pending&limit=200").body["data"]
        (found,) = [row for row in rows if row["title"] == title]
        return found

    def vote(self, ticket: str, choice: str, **more: Any) -> None:
        voted = self.person().vote(ticket, choice, **more)
        assert voted.status == 201, voted.body


@pytest.fixture(scope="module")
def office(migrated_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = shutil.copytree(migrated_folder, tmp_path_factory.mktemp("examples") / "data")
    described = ("load_checkpoints", "--file", str(EXAMPLES / "checkpoints.json"))
    for command in (("seed_demo",), described):
        done = serving.manage(*command, folder=folder)
        assert done.returncode == 0, done.stderr
    made = serving.manage("shell", "--no-imports", "-c", HOUSE, folder=folder)
    assert made.returncode == 0, made.stderr
    key, secret = made.stdout.split()[:2]
    with serving.serving(folder, HITL_OUTBOUND_ALLOWED="127.0.0.1:*") as service:
        yield Office(service, Demo.read(folder), key, secret)
        assert "Traceback" not in service.log


def test_posts_are_sorted_and_a_person_looks_at_the_edge(office):
    assert office.run("content_moderation.py") == [
        "mira: published by rule",
        "bot-77: removed by rule",
        "joao: waits for a moderator",
        "lin: waits for a moderator",
    ]
    office.vote(office.waiting("Post of joao")["id"], "approve", reason="A figure of speech.")
    assert office.run("content_moderation.py")[2] == "joao: published by votes"


def test_loans_pass_are_refused_with_a_notice_or_wait_for_an_underwriter(office):
    passed, *notice, waits = office.run("loan_approval.py")
    assert passed == "A. Moreau: lends 8000"
    assert notice[0] == "Dear B. Okafor, we cannot lend you the amount you asked for."
    assert "Debt to income, Payments late in 12 months." in notice[1]
    assert "Low score" in notice[2]
    assert "ECOA" in notice[3]
    assert "a person look at it" in notice[4]
    assert waits.startswith("C. Lindqvist: waits for an underwriter (T-")
    less = {"amendments": {"amount": 10000}, "reason": "What the savings carry."}
    office.vote(office.waiting("Loan for C. Lindqvist")["id"], "modify", **less)
    passed, *_, decided = office.run("loan_approval.py")
    assert (passed, decided) == ("A. Moreau: lent before", "C. Lindqvist: lends 10000")


def test_a_pipeline_falls_back_to_a_person_and_goes_on_once(office):
    assert office.run("with_fallback.py") == [
        "clear: 120.00 by machine",
        "smudged: waits for a person (low_confidence)",
        "empty: waits for a person (error: the page is empty)",
    ]
    ticket = office.waiting("Read invoice smudged")
    assert ticket["proposal"]["partial_result"]["confidence"] == 0.2
    office.vote(ticket["id"], "submit", response={"manual_result": "170.00", "confidence": 1})
    assert office.run("with_fallback.py")[1] == "smudged: 170.00 by hand, confidence 1"
    assert office.run("with_fallback.py")[1] == "smudged: done before"
    blank = office.waiting("Read invoice empty")
    office.vote(blank["id"], "cannot", reason="There is nothing on it.")
    told = office.run("with_fallback.py")[2]
    assert told == f"empty: nobody can ({blank['ref']} is rejected: There is nothing on it.)"


def test_a_rollout_asks_before_each_step(office):
    rolling = Waiting(lambda: office.run("rollout.py"))
    steps = []
    client = office.person()
    while len(steps) < 3:
        rows = client.get("/api/v1/tickets?checkpoint=model-rollout&status=pending").body["data"]
        for row in rows:
            whole = client.get(f"/api/v1/tickets/{row['id']}").body
            steps.append(whole["policy"]["repeat"]["steps"][0])
            office.vote(row["id"], "approve")
    assert steps == [10, 50, 100]
    assert rolling.answer() == [
        "10 % of the traffic goes to sorter-5",
        "50 % of the traffic goes to sorter-5",
        "100 % of the traffic goes to sorter-5",
        "rolled out",
    ]


class Listening:
    """A receiver of the documentation, served by its own framework in a process of its own."""

    def __init__(self, office: Office, framework: str, folder: Path) -> None:
        module, *arguments = RECEIVERS[framework]
        self.port, self.url = free_port(), ""
        self.url = f"http://127.0.0.1:{self.port}/hook"
        with (folder / "receiver.log").open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments, str(self.port)],
                cwd=EXAMPLES / "receivers",
                env=office.environment(
                    WEBHOOK_SECRET=office.secret,
                    SEEN=str(folder / "seen.sqlite3"),
                    PYTHONDONTWRITEBYTECODE="1",
                ),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        serving.await_port(self.port, self.process)

    def resumed(self) -> dict[str, Any]:
        """Return the next state a pipeline went on with, waiting for it."""
        out = self.process.stdout
        assert out is not None
        while True:
            line = Waiting(out.readline).answer()
            assert line, "The receiver ended."
            if line.startswith("resumed "):
                return dict(json.loads(line.removeprefix("resumed ")))

    def send(self, body: bytes, **headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx2.post(self.url, content=body, headers=named).status_code

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.mark.parametrize("framework", list(RECEIVERS))
def test_a_receiver_believes_what_is_signed_and_goes_on_once(office, tmp_path, framework):
    listening = Listening(office, framework, tmp_path)
    try:
        client = Caller(office.served.url, office.key)
        opened = client.post(
            "/api/v1/tickets",
            {
                "title": f"Ship by {framework}?",
                "callback_url": listening.url,
                "pipeline": {"name": "orders", "step": "check", "state": {"order": framework}},
            },
        )
        assert opened.status == 201, opened.body
        office.vote(opened.body["id"], "approve")
        assert listening.resumed() == {"order": framework}

        whole = client.get(f"/api/v1/tickets/{opened.body['id']}").body
        event = {"type": "ticket.decided", "subject": whole["id"], "data": whole}
        body = json.dumps(event).encode()
        headers = signed(office.secret, body)
        assert listening.send(body, **headers) == 204  # told again: nothing happens twice
        assert listening.send(body, **headers) == 204
        assert listening.send(body.replace(b"true", b"True"), **headers) == 400
        assert listening.send(body) == 400
        other = client.post("/api/v1/tickets", {
            "title": "Ship the next?", "callback_url": listening.url,
            "pipeline": {"name": "orders", "step": "check", "state": {"order": "next"}},
        })  # fmt: skip
        office.vote(other.body["id"], "approve")
        assert listening.resumed() == {"order": "next"}  # and nothing came between

        ping = json.dumps({"type": "ping", "data": {"webhook": "Ledger", "by": "maya"}}).encode()
        assert listening.send(ping, **signed(office.secret, ping, "msg_ping")) == 204
    finally:
        listening.stop()


@pytest.mark.parametrize("framework", list(RECEIVERS))
def test_a_message_that_could_not_be_acted_on_counts_when_it_comes_again(
    office, tmp_path, framework
):
    listening = Listening(office, framework, tmp_path)
    try:
        client = Caller(office.served.url, office.key)
        state = {"order": f"{framework} late"}
        pipeline = {"name": "orders", "step": "check", "state": state}
        opened = client.post("/api/v1/tickets", {"title": "Ship it late?", "pipeline": pipeline})
        event = {"type": "ticket.decided", "subject": opened.body["id"], "data": {
            "allowed": True, "pipeline": pipeline,
        }}  # fmt: skip
        body = json.dumps(event).encode()
        headers = signed(office.secret, body)
        assert listening.send(body, **headers) == 500  # it is not decided: acting on it fails
        office.vote(opened.body["id"], "approve")
        assert listening.send(body, **headers) == 204
        assert listening.resumed() == state
    finally:
        listening.stop()


def signed(secret: str, body: bytes, message: str = "msg_again") -> dict[str, str]:
    """Return the headers of a genuine message."""
    from datetime import UTC, datetime

    now = datetime.now(UTC)
    signature = Webhook(secret).sign(message, now, body.decode())
    return {
        "webhook_id": message,
        "webhook_timestamp": str(int(now.timestamp())),
        "webhook_signature": signature,
        "content_type": "application/json",
    }
