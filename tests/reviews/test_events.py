"""Which events there are, and that each is told where it happens."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

import reviews
from approvals.presets import PRESETS
from audit.clock import shifted
from audit.models import AuditEvent
from reviews.models import Delivery
from reviews.services import bypasses
from reviews.services.endpoints import EVENT_TYPES, create_endpoint
from reviews.services.sweeps import sweep_deadlines
from reviews.services.tickets import cancel_ticket
from tests.builders import make_checkpoint, make_policy

_TOLD = re.compile(r'"((?:ticket|bypass|checkpoint)\.[a-z_]+)"')
# What stands in the audit alone.
_SETTINGS = {"checkpoint.made", "checkpoint.changed", "checkpoint.loaded", "bypass.reviewed"}


def test_an_endpoint_may_ask_for_every_event_that_is_told_of_a_ticket():
    here = Path(reviews.__file__).parent / "services"
    also = Path(reviews.__file__).parents[1] / "approvals" / "services" / "bypasses.py"
    found = set()
    for source in [*here.glob("*.py"), also]:
        if source.name != "endpoints.py":
            found |= set(_TOLD.findall(source.read_text()))
    assert found - _SETTINGS == {name for name in EVENT_TYPES if not name.startswith("learning.")}
    assert len(set(EVENT_TYPES)) == len(EVENT_TYPES)
    assert bypasses.ANNOUNCEMENT == "announcement"


@pytest.fixture
def alerts(cast):
    question = make_policy("spend", PRESETS["acknowledgement"])
    return make_checkpoint("spend", question=question)


def pauses():
    told = AuditEvent.objects.filter(type__startswith="checkpoint.").exclude(type__in=_SETTINGS)
    return [event.type.removeprefix("checkpoint.") for event in told.order_by("id")]


@pytest.mark.db
def test_a_pause_is_told_when_it_begins_and_when_it_ends(cast, alerts):
    create_endpoint(
        name="Meter",
        url="https://example.com/",
        types=["checkpoint.paused", "checkpoint.resumed"],
        by=cast.max,
    )
    cast.open()
    assert pauses() == []
    first, second = cast.open(checkpoint="spend"), cast.open(checkpoint="spend")
    assert pauses() == ["paused"]
    cast.vote(first, cast.ann, "acknowledge", response={})
    assert pauses() == ["paused"]
    cancel_ticket(ticket_id=second.pk, by=cast.machine, reason="A mistake.")
    assert pauses() == ["paused", "resumed"]
    cast.open(checkpoint="spend", timeout_seconds=60)
    with shifted(timedelta(seconds=61)):
        sweep_deadlines()
    assert pauses() == ["paused", "resumed"] * 2
    rows = Delivery.objects.filter(channel="webhook").order_by("id")
    assert [row.type for row in rows] == ["checkpoint.paused", "checkpoint.resumed"] * 2
    assert {row.body["data"]["fact"]["checkpoint"] for row in rows} == {"spend"}
