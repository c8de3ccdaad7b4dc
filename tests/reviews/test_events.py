"""Which events there are, and that each is told where it happens."""

import json
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
from reviews.services.assignments import claim_ticket, release_ticket
from reviews.services.comments import add_comment
from reviews.services.endpoints import EVENT_TYPES, create_endpoint
from reviews.services.skips import skip_ticket
from reviews.services.sweeps import sweep_deadlines
from reviews.services.tickets import (
    cancel_ticket,
    resubmit_ticket,
    revoke_ticket,
    see_revocation,
)
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


PAGE = Path(reviews.__file__).parents[1] / "docs" / "reference" / "events.md"


def described():
    rows = re.findall(
        r"^\| `([a-z_.]+)` \| [^|]+ \| `(\{.*\})` \|$", PAGE.read_text(), re.MULTILINE
    )
    return {name: json.loads(fact) for name, fact in rows}


def test_the_page_of_events_describes_every_one_of_them():
    learning = [name for name in EVENT_TYPES if name.startswith("learning.")]
    assert set(described()) == set(EVENT_TYPES) - set(learning)
    assert all(f"`{name}`" in PAGE.read_text() for name in learning)


@pytest.mark.db
def test_the_message_on_the_page_has_the_members_of_a_real_one(cast):
    shown = json.loads(PAGE.read_text().partition("```json")[2].partition("```")[0])
    create_endpoint(name="Ledger", url="https://example.com/", by=cast.max)
    cast.vote(cast.open(reference="invoice-7"), cast.ann, "approve", reason="Fine.")
    real = Delivery.objects.get(type="ticket.decided").body
    assert members(shown) == members(real)


def members(value):
    if not isinstance(value, dict) or "payee" in value:
        return type(value).__name__
    return {name: members(inner) for name, inner in value.items()}


@pytest.mark.db
def test_the_facts_on_the_page_are_those_that_are_told(cast, alerts):
    seen = a_busy_day(cast)
    shown = described()
    told = {}
    for event in AuditEvent.objects.filter(type__in=EVENT_TYPES):
        told.setdefault(event.type, set()).update(event.data)
    assert seen <= set(told)
    for name, fact in told.items():
        assert fact <= set(shown[name]), name
        assert set(shown[name]) - fact <= {"principal"}, name


def a_busy_day(cast):
    """Let most of what is told happen; return its types."""
    first = cast.open()
    claim_ticket(ticket_id=first.pk, person=cast.ann)
    release_ticket(ticket_id=first.pk, person=cast.ann)
    skip_ticket(ticket_id=first.pk, person=cast.ben)
    add_comment(ticket_id=first.pk, author=cast.ann, text="Hm.")
    cast.vote(first, cast.ann, "request_changes", response={"feedback": "Half."})
    resubmit_ticket(ticket_id=first.pk, requester=cast.machine, proposal={"total": 450})
    cast.vote(first, cast.ann, "approve")
    revoke_ticket(ticket_id=first.pk, by=cast.ann, reason="Wrong one.")
    see_revocation(ticket_id=first.pk, by=cast.machine)
    cancel_ticket(ticket_id=cast.open().pk, by=cast.machine, reason="A mistake.")
    alert = cast.open(checkpoint="spend")
    cast.vote(alert, cast.ann, "acknowledge", response={})
    cast.open(timeout_seconds=60)
    with shifted(timedelta(seconds=61)):
        sweep_deadlines()
    return {
        f"ticket.{name}"
        for name in (
            *(
                "opened",
                "claimed",
                "released",
                "skipped",
                "commented",
                "vote_cast",
                "returned",
                "resubmitted",
            ),
            *("decided", "revoked", "revocation_seen", "cancelled", "expired"),
        )
    } | {"checkpoint.paused", "checkpoint.resumed"}
