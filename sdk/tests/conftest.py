from __future__ import annotations

from collections.abc import Iterator

import pytest
from countersign_peer import API_KEY, Peer, Time

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
