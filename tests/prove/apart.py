"""Web, worker and scheduler as processes that can be killed, a receiver, and people who vote.

What was acknowledged to a voter, and what arrived at the receiver, is kept here: outside the
database, in a process that is not killed.
"""

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

from tests import servers
from tests.prove import faults
from tests.prove.cast import Cast, cast
from tests.prove.web import ROOT, Client, token_of

PATIENCE = 90.0
LONGEST = 600.0


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Say nothing of senders that were killed."""


class Receiver:
    """A listener that notes which message told of which ticket, and when it first came."""

    def __init__(self, *, slow: float = 0.0) -> None:
        self.heard: dict[str, dict[str, float]] = defaultdict(dict)
        self.messages = 0
        self._lock = threading.Lock()
        keeper = self

        class Keeper(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with keeper._lock:
                    keeper.messages += 1
                    seen = keeper.heard[body["subject"]]
                    seen.setdefault(self.headers["webhook-id"], time.monotonic())
                time.sleep(slow)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = _Quiet(("127.0.0.1", 0), Keeper)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Vote:
    """One acknowledged vote: how long the answer took, and how often it had to be asked for."""

    ticket: UUID
    voter: int
    seconds: float
    tries: int
    status: int
    at: float


@dataclass
class Apart:
    """The processes, where each is reached, and what they are given."""

    folder: Path
    redis: servers.Server
    receiver: Receiver
    given: dict[str, str]
    ports: dict[str, int]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.ports.values()]

    def start(self, name: str) -> None:
        """Start (again) one of `web-0`, `web-1`, `worker`, `beat`.

        `worker-0` and so on do one task at a time.
        """
        celery = ["celery", "-A", "tests.prove.apart_worker", "--quiet"]
        if name in self.ports:
            command = ["uvicorn", "tests.prove.apart_web:application", "--lifespan", "off"]
            command += ["--port", str(self.ports[name]), "--log-level", "warning"]
        elif name.startswith("worker"):
            at_once = "2" if name == "worker" else "1"
            command = [*celery, "worker", "--pool", "threads", "--concurrency", at_once]
        else:
            command = [*celery, "beat"]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=ROOT,
                env=os.environ | self.given,
                stdout=log,
                stderr=log,
            )

    def kill(self, name: str) -> None:
        """End one of them as a power failure would."""
        self.processes[name].kill()
        self.processes[name].wait()

    def await_web(self, name: str) -> float:
        """Wait until a web process answers; return the seconds that took."""
        began = time.monotonic()
        while time.monotonic() - began < PATIENCE:
            client = Client(f"http://127.0.0.1:{self.ports[name]}")
            try:
                if client.call("GET", "/healthz")[0] == 200:
                    return time.monotonic() - began
            except (OSError, http.client.HTTPException):
                if self.processes[name].poll() is not None:
                    break
                time.sleep(0.05)
            finally:
                client.close()
        raise RuntimeError((self.folder / f"{name}.log").read_text()[-3000:])

    def stop(self) -> None:
        for process in self.processes.values():
            process.kill()
        for process in self.processes.values():
            process.wait()


@contextmanager
def apart(
    folder: Path,
    *,
    webs: int = 2,
    with_faults: Sequence[str] = (),
    slow: float = 0.0,
    others: Sequence[str] = ("worker", "beat"),
) -> Iterator[Apart]:
    """Yield the started processes on the database this process uses."""
    from django.conf import settings

    place = folder / f"apart-{os.getpid()}"
    for name in ("deaths", "begun"):
        (place / name).mkdir(parents=True)
    receiver = Receiver(slow=slow)
    redis = servers.start_redis(place)
    given = {
        "REDIS_URL": redis.url,
        "SECRET_KEY": settings.SECRET_KEY,
        "HITL_SIGNING_KEY": settings.HITL_SIGNING_KEY,
        "HITL_OUTBOUND_ALLOWED": f"127.0.0.1:{receiver.port}",
        "DATABASE_POOL_MAX": "10",
        faults.NAME: ",".join(with_faults),
        faults.DEATHS: str(place / "deaths"),
        faults.BEGUN: str(place / "begun"),
    }
    ports = {f"web-{number}": servers.free_port() for number in range(webs)}
    here = Apart(place, redis, receiver, given, ports)
    try:
        for name in (*ports, *others):
            here.start(name)
        for name in ports:
            here.await_web(name)
        yield here
    finally:
        here.stop()
        redis.process.send_signal(signal.SIGCONT)
        redis.stop()
        receiver.stop()


def people(here: Apart, *, voters: int) -> Cast:
    """Return a cast whose decisions are told to the receiver; one vote decides."""
    from reviews.models import WebhookEndpoint

    found = cast(voters=voters)
    WebhookEndpoint.objects.update(url=f"http://127.0.0.1:{here.receiver.port}/hook")
    return found


class Load:
    """People who vote, each on tickets of their own, and ask again until they are answered."""

    def __init__(
        self, here: Apart, who: Cast, tickets: Sequence[UUID], *, pause: float, seed: int
    ) -> None:
        self.acknowledged: list[Vote] = []
        self.unanswered: list[UUID] = []
        self.asking: set[int] = set()  # whose vote is on its way at this moment
        self.told: Counter[int] = Counter()  # every answer; 0 is none
        self.stopping = threading.Event()
        self._here, self._pause = here, pause
        count = len(who.voters)
        self._threads = [
            threading.Thread(
                target=self._vote,
                args=(person.pk, token_of(person), tickets[n::count], random.Random(seed + n)),
                daemon=True,
            )
            for n, person in enumerate(who.voters)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    @property
    def going(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def end(self) -> None:
        """Let everybody finish the vote they are at."""
        self.stopping.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _vote(self, voter: int, token: str, tickets: Sequence[UUID], rng: random.Random) -> None:
        clients = [Client(url, token) for url in self._here.urls]
        rng.shuffle(clients)
        for ticket in tickets:
            if self.stopping.wait(self._pause * rng.uniform(0.5, 1.5)):
                return
            answered = self._until_answered(clients, voter, ticket)
            if answered is None:
                self.unanswered.append(ticket)
            else:
                self.acknowledged.append(answered)

    def _until_answered(self, clients: list[Client], voter: int, ticket: UUID) -> Vote | None:
        body = {"choice": "approve", "version": 1, "reason": "seen"}
        began = time.monotonic()
        tries = 0
        # Somebody who is told to end still learns what became of a vote that was sent.
        while time.monotonic() - began < (10.0 if self.stopping.is_set() else PATIENCE):
            tries += 1
            self.asking.add(voter)
            try:
                status = clients[0].call("POST", f"/api/v1/tickets/{ticket}/votes", body)[0]
            except (OSError, http.client.HTTPException):
                status = 0
            self.asking.discard(voter)
            self.told[status] += 1
            if status in (200, 201):
                now = time.monotonic()
                return Vote(ticket, voter, now - began, tries, status, now)
            # Nobody knows whether that vote was taken: asking again is what a client does.
            clients.append(clients.pop(0))
            time.sleep(0.05)
        return None


def told_late(here: Apart, votes: Sequence[Vote], *, within: float) -> int:
    """Wait until the receiver heard of every decided ticket; return how many it did not.

    As long as it hears of more, the wait goes on: what is late is not lost.
    """
    began = progress = time.monotonic()
    heard = len(here.receiver.heard)
    while True:
        missing = [vote for vote in votes if str(vote.ticket) not in here.receiver.heard]
        now = time.monotonic()
        if len(here.receiver.heard) > heard:
            heard, progress = len(here.receiver.heard), now
        if not missing or now - progress > within or now - began > LONGEST:
            return len(missing)
        time.sleep(0.1)


def missing_votes(votes: Sequence[Vote]) -> int:
    """Return how many acknowledged votes are not in the database, or decided nothing."""
    from approvals.models import Vote as Stored
    from reviews.models import Ticket

    stored = set(Stored.objects.values_list("decision__subject", "voter_id"))
    decided = set(Ticket.objects.filter(status="approved").values_list("pk", flat=True))
    return sum((v.ticket, v.voter) not in stored or v.ticket not in decided for v in votes)


def double_effects(here: Apart, votes: Sequence[Vote]) -> int:
    """Return how many tickets were told of under more than one id, or voted on twice."""
    from django.db.models import Count

    from approvals.models import Vote as Stored

    twice = Stored.objects.values("decision", "principal").annotate(n=Count("pk")).filter(n__gt=1)
    ids = sum(len(here.receiver.heard[str(vote.ticket)]) > 1 for vote in votes)
    return ids + twice.count()


def repeats(here: Apart) -> int:
    """Return how many messages came again under an id the receiver had seen."""
    return here.receiver.messages - sum(len(ids) for ids in here.receiver.heard.values())
