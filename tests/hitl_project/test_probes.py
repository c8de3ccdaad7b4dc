"""What machines are told about deadlines: how late they are, and when a sweep last ended."""

import time
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client

from audit.clock import shifted
from reviews import alive
from reviews.tasks import sweep_deadlines
from tests.builders import Cast

pytestmark = pytest.mark.db


def figure(name: str) -> float:
    lines = Client().get("/metrics").content.decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def deadlines() -> dict[str, float]:
    told: dict[str, float] = Client().get("/readyz").json()["deadlines"]
    return told


def test_a_deadline_nobody_swept_is_told_with_how_late_it_is(cast: Cast) -> None:
    cast.open(timeout_seconds=60)
    with shifted(timedelta(minutes=3)):
        assert 119 < deadlines()["late_seconds"] < 300
        assert 119 < figure("countersign_deadline_lateness_seconds") < 300
        sweep_deadlines()
        assert deadlines()["late_seconds"] == figure("countersign_deadline_lateness_seconds") == 0


def test_a_sweep_leaves_when_it_ended(cast: Cast) -> None:
    sweep_deadlines()

    assert deadlines()["swept_seconds_ago"] < 10
    assert figure("countersign_sweep_ended_seconds") < 10


def test_a_sweep_that_never_ends_is_a_fault_and_lateness_alone_is_none(cast: Cast) -> None:
    cast.open(timeout_seconds=60)
    sweep_deadlines()
    with shifted(timedelta(hours=3)):
        assert "deadlines" not in Client().get("/readyz").json()["faults"]
    cache.set(alive.SWEPT, time.time() - alive.SWEEP_LIMIT - 5, timeout=None)
    told = Client().get("/readyz")

    assert told.status_code == 503
    assert told.json()["faults"]["deadlines"].startswith("no sweep of the deadlines has ended for")
