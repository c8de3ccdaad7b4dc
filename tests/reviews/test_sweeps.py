"""A sweep of many tickets leaves what a sweep of each alone leaves: rows, history and story."""

from collections import Counter

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from approvals.models import Decision
from audit.clock import db_now
from audit.models import AuditEvent, ChainHead
from audit.services import Draft, record_all
from reviews.models import Assignment, Delivery, Ticket, WebhookEndpoint
from reviews.services.assignments import claim_ticket
from reviews.services.sweeps import conclude_tickets, sweep_deadlines
from tests.stories import checkpoint, everything_told_is_true, later, question, types_told

pytestmark = pytest.mark.db

LADDER = [{"after": "PT2H", "role": "lead"}]


def some_of_each(story):
    """Open what a sweep after three hours finds: over, held, escalating, due, returned, settled."""
    over = story.open(timeout_seconds=60)
    claimed = story.open(timeout_seconds=3600 * 2)
    claim_ticket(ticket_id=claimed.pk, person=story.ann)
    climbing = story.open(checkpoint="ladder", callback_url="https://caller.example.org/hook")
    returned = story.open(timeout_seconds=3600)
    story.vote(returned, story.ann, "request_changes", response={"feedback": "x"})
    settled = story.open(checkpoint="hold")
    story.vote(settled, story.ann, "approve")
    boxed = story.open(preset="input", timeout_seconds=60)
    return [over, claimed, climbing, returned, settled, boxed]


def left_by(tickets):
    """Return all that concluding these left, without ids and instants."""
    left = []
    for ticket in Ticket.objects.filter(pk__in=[t.pk for t in tickets]).order_by("ref"):
        decision = Decision.objects.get(pk=ticket.decision_id)
        newest = ticket.history.latest()
        assert (newest.status, newest.next_deadline_at) == (ticket.status, ticket.next_deadline_at)
        free = [a.released_at is not None for a in Assignment.objects.filter(ticket=ticket)]
        assert all(a.history.count() == 2 for a in Assignment.objects.filter(ticket=ticket))
        left.append(
            (
                *(ticket.status, ticket.breached_at is None, ticket.closed_at is None),
                *(decision.outcome, decision.by, decision.escalated, free),
                *(types_told(ticket), ticket.history.count()),
                Counter(Delivery.objects.filter(ticket=ticket).values_list("type", "channel")),
            )
        )
    return left


def test_many_together_end_like_each_alone(story, settings):
    settings.MAIL_NOTICES = True
    WebhookEndpoint.objects.create(
        name="all", url="https://listener.example.org", types=[], secret="whsec_x",
        created_by=story.ada, created_at=db_now(),
    )  # fmt: skip
    checkpoint("ladder", question(escalate=LADDER, due="PT1H", expires="P2D"))
    checkpoint("hold", question(hold="PT1H"))
    together, alone = some_of_each(story), some_of_each(story)
    with later(hours=3):
        assert conclude_tickets([ticket.pk for ticket in together]) == len(together)
        assert sum(conclude_tickets([ticket.pk]) for ticket in alone) == len(alone)
        assert sweep_deadlines() == 0

    assert left_by(together) == left_by(alone)
    everything_told_is_true()


def test_a_sweep_of_twenty_asks_no_more_of_the_database_than_one_of_two(story):
    def queries(count):
        tickets = [story.open(timeout_seconds=60) for _ in range(count)]
        with (
            later(minutes=2),
            CaptureQueriesContext(
                connection,
            ) as asked,
        ):
            assert sweep_deadlines() == count
        assert all(types_told(ticket)[-1] == "expired" for ticket in tickets)
        return len(asked)

    queries(1)
    assert queries(20) == queries(2)


def test_facts_of_many_streams_continue_each_of_them(story):
    ticket = story.open()
    streams = [ticket.stream, "new:1", "new:2"]
    with transaction.atomic():
        record_all({stream: [Draft("a", db_now()), Draft("b", db_now())] for stream in streams})
        record_all({"new:1": [Draft("c", db_now())], "new:3": []})

    heads = ChainHead.objects.filter(stream__in=[*streams, "new:3"])
    reached = dict(heads.values_list("stream", "seq"))
    assert reached == {ticket.stream: 3, "new:1": 3, "new:2": 2}
    assert AuditEvent.objects.filter(stream="new:1").count() == 3
    everything_told_is_true()
