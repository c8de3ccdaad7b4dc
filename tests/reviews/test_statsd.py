"""Lines for a StatsD agent, read from a real socket."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from reviews import statsd
from tests.builders import Cast


class Agent:
    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(5)
        self.place = self.socket.getsockname()

    def lines(self) -> list[str]:
        return self.socket.recv(65536).decode().split("\n")


@pytest.fixture
def agent(settings: Any) -> Iterator[Agent]:
    one = Agent()
    settings.STATSD_HOST = one.place
    yield one
    one.socket.close()


def test_equal_counts_leave_as_one_line(agent: Agent) -> None:
    statsd.count(["ticket.opened", "ticket.opened", "ticket.decided"])
    assert agent.lines() == ["countersign.ticket.opened:2|c", "countersign.ticket.decided:1|c"]


def test_a_gauge_carries_its_tags_and_nothing_that_would_end_the_line(agent: Agent) -> None:
    statsd.gauge({"waiting": 12, "oldest_waiting_seconds": 3.5}, checkpoint="a|b\n:c")
    assert agent.lines() == [
        "countersign.waiting:12|g|#checkpoint:a_b__c",
        "countersign.oldest_waiting_seconds:3.5|g|#checkpoint:a_b__c",
    ]


def test_many_lines_leave_in_datagrams_that_no_network_cuts(agent: Agent) -> None:
    statsd.gauge({f"a_name_of_some_length_{n}": n for n in range(100)})
    got: list[str] = []
    while len(got) < 100:
        packet = agent.socket.recv(65536)
        assert len(packet) <= 1400
        got += packet.decode().split("\n")
    assert got[99] == "countersign.a_name_of_some_length_99:99|g"


def test_without_a_host_nothing_leaves(agent: Agent, settings: Any) -> None:
    settings.STATSD_HOST = None
    statsd.count(["ticket.opened"])
    settings.STATSD_HOST = agent.place
    statsd.count(["ticket.decided"])
    assert agent.lines() == ["countersign.ticket.decided:1|c"]


def test_an_agent_that_is_away_costs_nobody_time(settings: Any) -> None:
    gone = Agent()
    gone.socket.close()
    settings.STATSD_HOST = gone.place
    begun = time.monotonic()
    for _ in range(200):
        statsd.count(["ticket.opened"])
    assert time.monotonic() - begun < 1
    settings.STATSD_HOST = ("no-such-host.invalid", 8125)
    statsd.count(["ticket.opened"])


@pytest.mark.real
def test_what_happens_to_a_ticket_is_counted_once_it_is_committed(agent: Agent, cast: Cast) -> None:
    ticket = cast.open()
    cast.vote(ticket, cast.ann, "approve")
    got: list[str] = []
    while "countersign.ticket.decided:1|c" not in got:
        got += agent.lines()
    assert "countersign.ticket.opened:1|c" in got
    assert "countersign.ticket.vote_cast:1|c" in got
