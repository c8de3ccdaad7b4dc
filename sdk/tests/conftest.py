from __future__ import annotations

from collections.abc import Iterator

import pytest
from command_line import Run, runner
from countersign_peer import API_KEY, Peer, Time
from desk_peer import DeskPeer

from hitl_client import HitlClient


@pytest.fixture
def peer() -> Iterator[Peer]:
    running = Peer()
    yield running
    running.stop()


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def client(peer: Peer, clock: Time) -> Iterator[HitlClient]:
    with HitlClient(
        peer.url, API_KEY, timeout=2.0, sleep=clock.sleep, monotonic=clock.monotonic
    ) as made:
        yield made


@pytest.fixture
def desk() -> Iterator[DeskPeer]:
    running = DeskPeer()
    yield running
    running.stop()


@pytest.fixture
def hitl(desk: DeskPeer, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("HITL_URL", desk.url)
    monkeypatch.setenv("HITL_TOKEN", API_KEY)
    monkeypatch.delenv("HITL_TOKEN_FILE", raising=False)
    return runner(monkeypatch)
