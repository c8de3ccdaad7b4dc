"""The queue's order is the formula's, for ten thousand tickets and at any moment."""

import random
from datetime import timedelta
from itertools import pairwise

import pytest

from approvals.models import Decision
from audit.clock import db_now
from audit.ids import new_id
from reviews.models import Queue, Ticket
from reviews.ordering import waiting_page
from reviews.ranking import Weights, constants
from reviews.services.lanes import put_in_lane

pytestmark = pytest.mark.db
MANY = 10_000
DAY = timedelta(days=1)


def by_hand(ticket, queue, now):
    """Return the score as requirement S4.4 states it, from what was sent."""
    weights = queue.weights
    impact = ticket.financial_impact
    if impact is None:
        impact = min(float(ticket.amount or 0) / float(queue.impact_scale), 1)
    age = min((now - ticket.created_at) / DAY, 1)
    unsure = 1 - ticket.ai["confidence"]
    return (
        weights["impact"] * impact
        + weights["age"] * age
        + weights["confidence"] * unsure
        + weights["compliance"] * ticket.compliance
    )


def fill(cast, chance, now):
    """Copy one ticket ten thousand times, with other facts, ages and queues."""
    usual = cast.queue
    other = Queue.objects.create(
        slug="other",
        name="Other",
        weights={"impact": 0.1, "age": 0.7, "confidence": 0.1, "compliance": 0.1},
        impact_scale=500,
    )
    other.roles.set([cast.roles["reviewer"]])
    first = cast.open(ai={"confidence": 0.5})
    asked = Decision.objects.get(pk=first.decision_id)
    lanes = {
        queue.pk: put_in_lane(queue_id=queue.pk, policy_id=asked.policy_id, region_id=None)
        for queue in (usual, other)
    }
    decisions, tickets = [], []
    for number in range(MANY):
        queue = chance.choice([usual, other])
        age = DAY * chance.choice([chance.random(), 1.0, 3 * chance.random()])
        ticket = Ticket()
        for column in Ticket._meta.concrete_fields:
            setattr(ticket, column.attname, getattr(first, column.attname))
        decision = Decision()
        for column in Decision._meta.concrete_fields:
            setattr(decision, column.attname, getattr(asked, column.attname))
        decision.pk, decision.subject = new_id(), new_id()
        ticket.pk, ticket.ref, ticket.decision_id = decision.subject, 20_000 + number, decision.pk
        ticket.queue_id, ticket.lane_id = queue.pk, lanes[queue.pk]
        ticket.created_at = now - age
        ticket.financial_impact = chance.choice([None, 0.0, chance.random()])
        ticket.amount = chance.choice([None, chance.randint(0, 900)])
        ticket.compliance = chance.random() < 0.2
        ticket.ai = {"confidence": chance.random()}
        ticket.rank_base, ticket.rank_young = constants(
            impact=ticket.financial_impact,
            amount=ticket.amount,
            impact_scale=queue.impact_scale,
            confidence=ticket.ai["confidence"],
            compliance=ticket.compliance,
            created_at=ticket.created_at,
            weights=Weights(**queue.weights),
        )
        decisions.append(decision)
        tickets.append(ticket)
    Decision.objects.bulk_create(decisions, batch_size=500)
    Ticket.objects.bulk_create(tickets, batch_size=500)
    return {queue.pk: queue for queue in (usual, other)}, {
        ticket.pk: ticket for ticket in (first, *tickets)
    }


def test_the_order_of_ten_thousand_is_the_formulas_at_random_times(cast):
    chance = random.Random(44)
    start = db_now()
    queues, tickets = fill(cast, chance, start)
    rows = Ticket.objects.only("pk")
    for moment in (0.0, chance.random() * 6, 6 + chance.random() * 30):
        now = start + timedelta(hours=moment)
        seen, after = [], None
        while True:
            page = waiting_page(cast.ann, now=now, after=after, size=5000, rows=rows)
            seen += [ticket.pk for ticket in page.tickets]
            after = page.after
            if after is None:
                break
        assert len(seen) == len(set(seen)) == MANY + 1
        scores = [by_hand(tickets[each], queues[tickets[each].queue_id], now) for each in seen]
        # Within what the last bit of a sum may differ by.
        assert all(one >= other - 1e-9 for one, other in pairwise(scores))
