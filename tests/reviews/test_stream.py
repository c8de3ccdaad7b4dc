"""Decisions on a Redis stream: for systems that read events and have no address."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import redis

from approvals.presets import PRESETS
from audit.clock import shifted
from audit.models import AuditEvent
from reviews.channels import stream as channel
from reviews.models import Delivery
from reviews.services.deliveries import dispatch_due
from reviews.services.sweeps import sweep_deadlines
from reviews.services.tickets import revoke_ticket
from tests.builders import make_checkpoint, make_policy
from tests.servers import free_port

pytestmark = pytest.mark.db

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def stream(settings, redis_url):
    settings.REDIS_URL = redis_url
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:

        def entries():
            dispatch_due()
            return [entry for _, entry in client.xrange("HITLDecision")]

        yield entries


@pytest.mark.parametrize("choice", ["approve", "reject", "modify"])
def test_each_decision_is_one_entry(cast, stream, choice):
    ticket = cast.open()
    more = {"amendments": {"total": 5}} if choice == "modify" else {}
    cast.vote(ticket, cast.ann, choice, **more)
    (entry,) = stream()
    event = json.loads(entry["event"])

    assert set(entry) == {"id", "decision", "event"}
    assert (entry["id"], entry["decision"]) == (str(ticket.pk), choice)
    assert (event["specversion"], event["type"]) == ("1.0", "ticket.decided")
    assert event["data"]["allowed"] is (choice != "reject")
    assert AuditEvent.objects.filter(pk=event["id"], type="ticket.decided").exists()
    assert len(stream()) == 1


def test_what_waits_or_is_sent_back_is_no_decision(cast, stream):
    cast.open()
    cast.vote(cast.open(), cast.ann, "request_changes", response={"feedback": "Half."})
    assert stream() == []


def test_silence_and_taking_back_are_told(cast, stream):
    silent, revoked = cast.open(timeout_seconds=60), cast.open()
    cast.vote(revoked, cast.ann, "approve")
    revoke_ticket(ticket_id=revoked.pk, by=cast.ann, reason="Wrong one.")
    with shifted(timedelta(seconds=61)):
        sweep_deadlines()
        told = [(entry["id"], entry["decision"]) for entry in stream()]

    assert sorted(told) == sorted(
        [
            (str(revoked.pk), "approve"),
            (str(revoked.pk), "revoked"),
            (str(silent.pk), "reject"),
        ]
    )


def test_silence_without_an_answer_is_told_as_what_it_is(cast, stream):
    cast.open(preset="input", timeout_seconds=60)
    with shifted(timedelta(seconds=61)):
        sweep_deadlines()
        assert [entry["decision"] for entry in stream()] == ["expired"]


def test_an_overridden_act_is_told(cast, stream):
    asked = make_policy("after", PRESETS["post-approval"], silence_may_allow=True)
    make_checkpoint("after", question=asked)
    ticket = cast.open(checkpoint="after")
    cast.vote(ticket, cast.ann, "override", response={"new_decision": "Undo it."})
    types = [json.loads(entry["event"])["type"] for entry in stream()]
    assert sorted(types) == ["ticket.decided", "ticket.overridden"]


def test_the_oldest_entries_are_cut(cast, stream, settings, monkeypatch):
    monkeypatch.setattr(channel, "LONGEST", 2)
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.config_set("stream-node-max-entries", 1)
        try:
            for _ in range(4):
                cast.vote(cast.open(), cast.ann, "approve")
            assert len(stream()) == 2
        finally:
            client.config_set("stream-node-max-entries", 100)


def test_without_redis_no_row_is_made(cast):
    cast.vote(cast.open(), cast.ann, "approve")
    assert not Delivery.objects.filter(channel="stream").exists()


def test_a_redis_that_is_away_costs_no_vote_and_is_tried_again(cast, settings):
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    ticket = cast.open()
    assert cast.vote(ticket, cast.ann, "approve").ticket.status == "approved"
    dispatch_due()
    row = Delivery.objects.get(channel="stream")

    assert (row.state, row.attempts) == ("waiting", 1)
    assert row.last_error == "Redis said no (ConnectionError)."
    assert row.next_attempt_at is not None


def test_a_redis_that_is_gone_for_good_parks_the_row(cast, settings):
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    cast.vote(cast.open(), cast.ann, "approve")
    settings.REDIS_URL = None
    dispatch_due()
    row = Delivery.objects.get(channel="stream")
    assert (row.state, "REDIS_URL" in row.last_error) == ("parked", True)


def test_the_example_acts_once_on_each_decision_also_after_a_worker_died(cast, stream, redis_url):
    for _ in range(3):
        cast.vote(cast.open(), cast.ann, "approve")
    assert len(stream()) == 3
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        client.xgroup_create("HITLDecision", "ledger", id="0")
        # A worker that read one and died over it.
        client.xreadgroup("ledger", "dead", {"HITLDecision": ">"}, count=1)
        first = example(redis_url, "one", stale_ms=60_000)
        assert first.count("allowed=True") == 2
        second = example(redis_url, "two", stale_ms=0)
        assert second.count("allowed=True") == 1
        assert client.xpending("HITLDecision", "ledger")["pending"] == 0
        # The same event once more under a new number, as at-least-once allows.
        client.xadd("HITLDecision", stream()[0])
        assert example(redis_url, "one", stale_ms=0) == ""
        assert client.xpending("HITLDecision", "ledger")["pending"] == 0


def example(redis_url, worker, *, stale_ms):
    """Run the example until nothing is left, and return what it printed."""
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "examples" / "consume_decisions.py", worker],
        env={"REDIS_URL": redis_url, "ONCE": "1", "STALE_MS": str(stale_ms)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout
