"""P11: whoever waits for a decision has it as soon as it exists."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from statistics import median, quantiles
from urllib.parse import urlsplit

from tests.bench.figure import Figure, Pair, Row, at_most
from tests.bench.house import House
from tests.bench.load import Client, vote

DECISIONS = 40
# So long a waiter is given to be waiting; nothing tells from outside.
WAITING = 0.06


def measure(house: House, rounds: int) -> Iterator[tuple[Pair, Pair]]:
    """Yield ms from the vote's first byte to the waiter's answer, and what a vote takes.

    Once with the waiter on the process that takes the vote, once on another.
    """
    database = house.database("p11")
    worker = house.worker(database)
    tokens = worker.call("furnish")
    urls = [house.web(database) for _ in range(2)]
    voter = Client(urls[0], token=tokens["ann"])
    waiting(urls, voter, tokens["key"], worker.call("open_tickets", count=10))
    for _ in range(rounds):
        here = waiting(
            [urls[0]], voter, tokens["key"], worker.call("open_tickets", count=DECISIONS)
        )
        there = waiting(
            [urls[1]], voter, tokens["key"], worker.call("open_tickets", count=DECISIONS)
        )
        yield here, there


def waiting(urls: list[str], voter: Client, key: str, tickets: list[str]) -> Pair:
    """Return (p95 until the waiter knows, p50 of a vote), in ms."""
    known: list[float] = []
    decided: list[float] = []
    voter.hang_up()
    for number, ticket in enumerate(tickets):
        answered: list[float] = []
        waiter = threading.Thread(
            target=wait, args=(urls[number % len(urls)], key, ticket, answered)
        )
        waiter.start()
        time.sleep(WAITING)
        begun = time.monotonic()
        vote(ticket)(voter)
        decided.append((time.monotonic() - begun) * 1000)
        waiter.join(60)
        known.append((answered[0] - begun) * 1000)
    return quantiles(known, n=20, method="inclusive")[-1], median(decided)


def wait(url: str, key: str, ticket: str, answered: list[float]) -> None:
    """Wait for a ticket's decision and note when it came."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    headers = {"Authorization": f"Bearer {key}", "Prefer": "wait=30"}
    connection.request("GET", f"/api/v1/tickets/{ticket}", headers=headers)
    status = json.loads(connection.getresponse().read())["status"]
    answered.append(time.monotonic())
    connection.close()
    assert status == "approved", status


FIGURE = Figure(
    "P11",
    (
        Row("a waiter knows (p95) vs a vote takes (p50)", "waiter", "vote", "ms",
            at_most(3), at_most(1.5)),
        Row("the same, waiting on another process", "waiter", "vote", "ms",
            at_most(3), at_most(1.5)),
    ),
    measure,
)  # fmt: skip
