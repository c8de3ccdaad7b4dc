"""Figures: what was counted once and what happened since add up to what the rows say."""

from collections import Counter
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from django.db import transaction

from approvals.errors import Refusal
from audit.clock import db_now, shifted
from reviews.insights.facts import Counts
from reviews.models import Counted, DayFigures, ReviewerDay, Ticket
from reviews.services import figures
from reviews.services.counting import count_again, count_figures, counted, midnight
from reviews.services.sweeps import sweep_deadlines
from reviews.services.tickets import cancel_ticket, resubmit_ticket, revoke_ticket
from reviews.services.votes import withdraw_vote
from tests.builders import Cast, make_checkpoint, make_policy, make_region
from tests.stories import question

pytestmark = pytest.mark.db

AIS: list[dict[str, Any]] = [
    {},
    {"prediction": "pay", "confidence": 0.93, "model": "payer-1"},
    {"prediction": "reject", "confidence": 0.41, "model": "payer-2"},
    {"prediction": "pay", "confidence": 1, "model": "payer-2"},
    {"options": [{"key": "approve"}, {"key": "reject"}], "confidence": 0.66},
]


class Days:
    """Some days of a house, as they come; every step is one act, possibly refused."""

    def __init__(self, cast: Cast, seed: int) -> None:
        self.cast, self.random = cast, Random(seed)
        self.key = {"requester": cast.machine}
        self.checkpoints = ["general"]
        held = make_policy("held", question("review", hold="PT4H", revocable="P3D"))
        make_checkpoint("held", question=held, presets=["review"])
        self.checkpoints.append("held")
        make_region("north", cast.ann, cast.ben, cast.cleo)

    def step(self) -> None:
        usual = [self.open, self.open, self.vote, self.vote, self.vote]
        others = [self.resubmit, self.cancel, self.revoke, self.withdraw, sweep_deadlines]
        do = self.random.choice([*usual, *others])
        try:
            with transaction.atomic():
                do()
        except Refusal:
            pass  # a house has those too

    def any(self) -> Ticket:
        found = list(Ticket.objects.order_by("-ref")[:4])
        return self.random.choice(found) if found else self.cast.open()

    def open(self) -> None:
        self.cast.open(
            checkpoint=self.random.choice(self.checkpoints),
            ai=self.random.choice(AIS),
            region=self.random.choice(["", "north"]),
            timeout_seconds=self.random.choice([None, None, None, 3600]),
        )

    def vote(self) -> None:
        person = self.random.choice([self.cast.ann, self.cast.ben, self.cast.cleo])
        choice = self.random.choice(["approve", "reject", "request_changes", "modify"])
        more: dict[str, Any] = {"amendments": {"total": 1}} if choice == "modify" else {}
        if choice == "request_changes":
            more["response"] = {"feedback": "More."}
        self.cast.vote(self.any(), person, choice, **more)

    def resubmit(self) -> None:
        resubmit_ticket(
            ticket_id=self.any().pk,
            requester=self.cast.machine,
            proposal={"payee": "ACME", "total": self.random.randrange(900)},
            changes={"ai": self.random.choice(AIS)},
        )

    def cancel(self) -> None:
        cancel_ticket(ticket_id=self.any().pk, by=self.cast.machine, reason="")

    def revoke(self) -> None:
        approved = Ticket.objects.filter(status="approved").order_by("-closed_at")
        latest = approved.first() or self.any()
        revoke_ticket(ticket_id=latest.pk, by=self.cast.max, reason="Oh.")

    def withdraw(self) -> None:
        withdraw_vote(ticket_id=self.any().pk, voter=self.cast.ann)


def stored() -> tuple[dict[Any, Counts], dict[Any, Counts]]:
    """Return what the figures hold, in the shape in which rows are counted."""
    tickets = {
        (row.day, row.lane_id, row.checkpoint_id, row.model): Counter(row.counts)
        for row in DayFigures.objects.all()
    }
    people = {
        (row.day, row.person_id): +Counter(
            votes=row.votes,
            allows=row.allows,
            corrections=row.corrections,
            review_ms=row.review_ms,
        )
        for row in ReviewerDay.objects.all()
    }
    return tickets, people


def merged(one: dict[Any, Counts], other: dict[Any, Counts]) -> dict[Any, Counts]:
    found = {key: Counter(counts) for key, counts in one.items()}
    for key, counts in other.items():
        found.setdefault(key, Counter()).update(counts)
    return {key: +counts for key, counts in found.items()}


def begin() -> datetime:
    return midnight((db_now() - timedelta(days=9)).date())


@pytest.mark.parametrize("seed", range(2))
def test_counted_days_and_what_happened_since_equal_a_recount(cast: Cast, seed: int) -> None:
    days, hours = Days(cast, seed), 24 * 5
    steps = sorted(days.random.uniform(0, hours) for _ in range(90))
    for at in steps:
        with shifted(timedelta(hours=at - hours)):
            days.step()
            if days.random.random() < 0.15:
                count_figures()
    until = Counted.objects.get().until
    now = db_now() + timedelta(seconds=1)
    assert until < now
    live, whole = counted(until, now), counted(begin(), now)
    assert merged(stored()[0], live[0]) == merged(whole[0], {})
    assert merged(stored()[1], live[1]) == merged(whole[1], {})
    told = figures.period(scope=figures.scope_of(cast.ada), days=9, now=now)
    everything = sum(whole[0].values(), Counts())
    assert min(everything[name] for name in ("approved", "rejected", "expired", "overturned")), [
        *everything.items()
    ]
    assert told.counts == everything
    assert everything["opened"] == Ticket.objects.count()
    assert sum(figures.totals(now=now).values(), Counts()) == everything
    count_again(since=begin().date())
    with shifted(timedelta(minutes=10)):
        count_figures()
    assert merged(*[stored()[0], {}]) == merged(whole[0], {})
