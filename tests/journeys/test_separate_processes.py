"""PostgreSQL, Redis, web, worker and scheduler apart: the same journey, and what only they show."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis
from hitl_client import AlreadyConsumed, Guard, HitlClient, verify_webhook

from audit.signing import SigningKey
from tests import servers, serving
from tests.journeys.driving import Caller, Demo, Receiver, Waiting

pytestmark = [pytest.mark.real, pytest.mark.once]

PAYMENT = {"title": "Pay ACME", "payee": "ACME", "total": 900}
ENDPOINT = """
from approvals.models import User
from reviews.services.endpoints import create_endpoint
types = ["ticket.decided", "ticket.expired"]
endpoint = create_endpoint(name="Ledger", url="{url}", types=types, by=User.objects.get(username="maya"))
print("secret", endpoint.secret)
"""  # noqa: E501


@dataclass
class Installation:
    """Everything an operator would start, and what it is reached by."""

    url: str
    folder: Path
    given: dict[str, str]
    receiver: Receiver
    demo: Demo | None = None
    secret: str = ""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def manage(self, *arguments: str) -> str:
        done = serving.manage(*arguments, folder=self.folder, **self.given)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    def start(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=serving.ROOT,
                env=serving.environment(self.folder, **self.given),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def await_ready(self) -> None:
        deadline = time.monotonic() + serving.PATIENCE
        said: object = ""
        while time.monotonic() < deadline:
            try:
                answer = Caller(self.url).get("/readyz")
            except OSError as problem:
                said = problem
            else:
                if answer.status == 200:
                    return
                said = answer.body
            for name, process in self.processes.items():
                assert process.poll() is None, f"{name} ended:\n{self.log(name)[-3000:]}"
            time.sleep(0.1)
        logs = "\n".join(self.log(name)[-1500:] for name in self.processes)
        raise AssertionError(f"Not ready: {said}\n{logs}")

    def stop(self) -> dict[str, int]:
        """Ask all to end, as a service manager does; return how each ended."""
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        ended = {}
        for name, process in self.processes.items():
            try:
                ended[name] = process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                ended[name] = process.wait()
        return ended


def _left_behind(process: subprocess.Popen[bytes]) -> bool:
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture(scope="module")
def installed() -> Iterator[Installation]:
    folder = servers.short_folder()
    started: list[servers.Server] = []
    receiver = Receiver()
    try:
        started += [servers.start_postgresql(folder), servers.start_redis(folder)]
        database, cache = started
        port = servers.free_port()
        data = folder / "files"
        data.mkdir(mode=0o700)
        given = {
            "DATABASE_URL": database.url,
            "REDIS_URL": cache.url,
            "BASE_URL": f"http://127.0.0.1:{port}",
            "SECRET_KEY": "only-for-this-journey-" * 3,
            "HITL_SIGNING_KEY": SigningKey.generate().to_pem().decode(),
            "HITL_OUTBOUND_ALLOWED": f"127.0.0.1:{receiver.port}",
        }
        here = Installation(given["BASE_URL"], data, given, receiver)
        here.manage("migrate", "--verbosity", "0")
        here.manage("seed_demo")
        here.demo = Demo.read(data)
        told = here.manage("shell", "-c", ENDPOINT.format(url=receiver.url))
        here.secret = told.split("secret ", 1)[1].split()[0]
        application = "hitl_project.asgi:application"
        here.start("web", "uvicorn", application, "--port", str(port), "--lifespan", "off")
        here.start(
            "worker", "celery", "-A", "hitl_project", "worker", "--pool", "threads",
            "--concurrency", "2",
        )  # fmt: skip
        here.start("beat", "celery", "-A", "hitl_project", "beat")
        try:
            here.await_ready()
            yield here
        finally:
            ended = here.stop()
        assert ended == {"web": ended["web"], "worker": 0, "beat": 0}, here.log("worker")[-2000:]
        assert ended["web"] in {0, -signal.SIGTERM}, here.log("web")[-2000:]
        assert not any(_left_behind(process) for process in here.processes.values())
        for name in here.processes:
            assert "Traceback" not in here.log(name), here.log(name)[-3000:]
        here.manage("verify_audit")
        here.manage("check", "--database", "default")
    finally:
        receiver.stop()
        for server in reversed(started):
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def client(installed: Installation) -> Iterator[HitlClient]:
    assert installed.demo is not None
    with HitlClient(installed.url, installed.demo.service_key) as client:
        yield client


@pytest.fixture
def reviewer(installed: Installation) -> Caller:
    assert installed.demo is not None
    return Caller(installed.url, installed.demo.reviewers()[0]["token"])


def heard(installed: Installation, ticket: str) -> dict:
    """Return the next genuine message about this ticket that reaches the receiver."""
    while True:
        headers, body = installed.receiver.messages.get(timeout=30)
        event = verify_webhook(headers, body, installed.secret)
        assert headers["webhook-id"]
        if event["subject"] == ticket:
            return event


def test_a_program_waits_a_person_decides_and_the_ledger_hears_of_it(installed, client, reviewer):
    ticket = client.submit_for_review(PAYMENT)
    waiting = Waiting(lambda: client.wait_for_decision(ticket["id"], timeout=30))
    voted = reviewer.vote(ticket["id"], "approve", reason="Fine.")
    at = time.monotonic()
    decided = waiting.answer()

    assert voted.status == 201, voted.body
    assert time.monotonic() - at < 5
    assert (decided["status"], decided["allowed"]) == ("approved", True)
    with Guard(client).verify_and_consume(ticket["id"], PAYMENT) as consumption:
        assert consumption.action == PAYMENT
    with pytest.raises(AlreadyConsumed):
        client.consume(ticket["id"], PAYMENT)
    event = heard(installed, ticket["id"])
    assert event["type"] == "ticket.decided"
    assert (event["data"]["status"], event["data"]["allowed"]) == ("approved", True)
    assert event["data"]["action_digest"] == decided["action_digest"]


def test_silence_is_ended_by_the_sweep_and_told(installed, client):
    ticket = client.submit_for_review(PAYMENT, timeout_seconds=2)
    ended = client.wait_for_decision(ticket["id"], timeout=30)

    assert (ended["status"], ended["allowed"]) == ("expired", False)
    assert (ended["decision"]["by"], ended["decision"]["outcome"]) == ("timeout", "reject")
    assert heard(installed, ticket["id"])["type"] == "ticket.expired"


def test_two_programs_and_two_people_do_not_get_in_each_others_way(installed, client, reviewer):
    assert installed.demo is not None
    second = Caller(installed.url, installed.demo.reviewers()[1]["token"])
    tickets = [client.submit_for_review({**PAYMENT, "total": n}) for n in range(8)]
    votes = [
        Waiting(lambda who=who, ticket=ticket: who.vote(ticket["id"], "approve"))
        for ticket in tickets
        for who in (reviewer, second)
    ]
    statuses = [vote.answer().status for vote in votes]
    decided = [client.wait_for_decision(ticket["id"], timeout=30) for ticket in tickets]

    assert {ticket["status"] for ticket in decided} == {"approved"}
    assert sorted(statuses) == [201] * 8 + [409] * 8


def test_each_decision_is_added_to_the_stream(installed, client, reviewer):
    ticket = client.submit_for_review(PAYMENT)
    reviewer.vote(ticket["id"], "reject", reason="No.")
    heard(installed, ticket["id"])
    deadline, mine = time.monotonic() + 20, []
    with redis.Redis.from_url(installed.given["REDIS_URL"], decode_responses=True) as stream:
        while not mine and time.monotonic() < deadline:
            entries = [entry for _, entry in stream.xrange("HITLDecision")]
            mine = [entry for entry in entries if entry["id"] == ticket["id"]]
            if not mine:
                stream.xread({"HITLDecision": "$"}, block=200)
    (entry,) = mine

    assert entry["decision"] == "reject"
    assert json.loads(entry["event"])["data"]["comments"] == "No."


def test_who_waits_at_a_web_server_that_is_told_to_stop_is_answered_at_once(installed, client):
    assert installed.demo is not None
    ticket = client.submit_for_review(PAYMENT)
    port = servers.free_port()
    installed.start("other", "uvicorn", "hitl_project.asgi:application", "--port", str(port))
    other = installed.processes.pop("other")
    serving.await_port(port, other)
    program = Caller(f"http://127.0.0.1:{port}", installed.demo.service_key)

    def waits(seconds: int) -> Waiting:
        prefer = f"wait={seconds}"
        return Waiting(lambda: program.get(f"/api/v1/tickets/{ticket['id']}", Prefer=prefer))

    patient = [waits(50) for _ in range(5)]
    assert waits(1).answer().status == 200  # and the others wait as well
    other.send_signal(signal.SIGTERM)
    stopped = time.monotonic()

    assert [one.answer().status for one in patient] == [200] * 5
    assert other.wait(30) in {0, -signal.SIGTERM}
    assert time.monotonic() - stopped < 30
