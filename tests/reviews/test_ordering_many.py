"""The queue's order is the formula's, for ten thousand tickets and at any moment."""

import random
from datetime import timedelta
from itertools import pairwise

import pytest
from django.db import connection

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
CHANGED = (
    *("id", "ref", "decision_id", "queue_id", "lane_id", "created_at", "financial_impact"),
    *("amount", "compliance", "ai", "rank_base", "rank_young"),
)


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
    decisions, changes, tickets = [], [], {}
    for number in range(MANY):
        queue = chance.choice([usual, other])
        ticket = Ticket(
            id=new_id(),
            ref=20_000 + number,
            decision_id=new_id(),
            queue_id=queue.pk,
            lane_id=lanes[queue.pk],
            created_at=now - DAY * chance.choice([chance.random(), 1.0, 3 * chance.random()]),
            financial_impact=chance.choice([None, 0.0, chance.random()]),
            amount=chance.choice([None, chance.randint(0, 900)]),
            compliance=chance.random() < 0.2,
            ai={"confidence": chance.random()},
        )
        ticket.rank_base, ticket.rank_young = constants(
            impact=ticket.financial_impact,
            amount=ticket.amount,
            impact_scale=queue.impact_scale,
            confidence=ticket.ai["confidence"],
            compliance=ticket.compliance,
            created_at=ticket.created_at,
            weights=Weights(**queue.weights),
        )
        decisions.append({"id": ticket.decision_id, "subject": ticket.pk})
        changes.append({name: getattr(ticket, name) for name in CHANGED})
        tickets[ticket.pk] = ticket
    copy(asked, decisions)
    copy(first, changes)
    return {queue.pk: queue for queue in (usual, other)}, {first.pk: first, **tickets}


def copy(row, changes):
    """Insert a row again and again with some columns changed; ten times as fast as models do."""
    names = list(changes[0])
    fields = {field.attname: field for field in row._meta.concrete_fields}
    columns = [field.column for field in fields.values()]
    values = ["%s" if name in names else field.column for name, field in fields.items()]
    order = [name for name in fields if name in names]
    key = fields["id"].get_db_prep_save(row.pk, connection)
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO {row._meta.db_table} ({', '.join(columns)}) "
            f"SELECT {', '.join(values)} FROM {row._meta.db_table} WHERE id = %s",
            [
                [*(fields[name].get_db_prep_save(change[name], connection) for name in order), key]
                for change in changes
            ],
        )


def test_the_order_of_ten_thousand_is_the_formulas_at_random_times(cast):
    chance = random.Random(44)
    start = db_now()
    queues, tickets = fill(cast, chance, start)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # else the database takes the tables for empty
    for moment in (0.0, chance.random() * 6, 6 + chance.random() * 30):
        now = start + timedelta(hours=moment)
        seen, after = [], None
        while True:
            page = waiting_page(cast.ann, now=now, after=after, size=5000)
            seen += [ticket.pk for ticket in page.tickets]
            after = page.after
            if after is None:
                break
        assert len(seen) == len(set(seen)) == MANY + 1
        scores = [by_hand(tickets[each], queues[tickets[each].queue_id], now) for each in seen]
        # Within what the last bit of a sum may differ by.
        assert all(one >= other - 1e-9 for one, other in pairwise(scores))
