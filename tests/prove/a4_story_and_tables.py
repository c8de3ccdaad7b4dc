"""A4: the events fold to exactly what the tables hold, and no table changes without an event."""

import random
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from approvals.errors import Refusal
from approvals.models import AccessKey, Decision, User, Vote
from audit.clock import db_now
from audit.models import AuditEvent, ChainHead
from reviews.models import Ticket
from reviews.services.assignments import claim_ticket, release_ticket
from reviews.services.receipts import consume_receipt
from reviews.services.requests import TicketRequest
from reviews.services.sweeps import conclude_tickets
from reviews.services.tickets import cancel_ticket, open_ticket, resubmit_ticket, revoke_ticket
from reviews.services.votes import cast_vote, withdraw_vote
from tests.prove import switches
from tests.prove.cast import cast
from tests.prove.crew import Hand
from tests.prove.fold import fold
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

HANDS = 8


class Walk:
    """One hand's way through the services, by a seeded die."""

    def __init__(self, hand: Hand) -> None:
        given = hand.parcel
        self.dice = random.Random(f"{given['seed']}/{hand.number}")
        self.key = AccessKey.objects.select_related("user", "owner").get(pk=given["key"])
        self.voters = list(User.objects.filter(pk__in=given["voters"]).order_by("pk"))
        self.checkpoints = given["checkpoints"]
        self.refused: Counter[str] = Counter()

    def ticket(self) -> UUID:
        """Open a ticket and let up to twelve things happen to it."""
        request = TicketRequest(
            checkpoint=self.dice.choice(self.checkpoints), title="Walk", proposal={"n": 0}
        )
        opened = open_ticket(requester=self.key.user, key=self.key, request=request).pk
        for _ in range(self.dice.randint(2, 12)):
            act = self.dice.choices(ACTS, weights=WEIGHTS)[0]
            try:
                act(self, opened)
            except Refusal as refusal:
                self.refused[refusal.code] += 1
        return opened

    def vote(self, ticket: UUID) -> None:
        choice = self.dice.choice(("approve", "approve", "reject", "request_changes", "modify"))
        version = Ticket.objects.values_list("version", flat=True).get(pk=ticket)
        more: dict[str, Any] = {}
        if choice == "request_changes":
            more = {"response": {"feedback": "more"}}
        if choice == "modify":
            more = {"amendments": {"n": 10_000}}
        voter = self.dice.choice(self.voters)
        cast_vote(
            ticket_id=ticket, voter=voter, choice=choice, version=version, reason="so", **more
        )

    def withdraw(self, ticket: UUID) -> None:
        withdraw_vote(ticket_id=ticket, voter=self.dice.choice(self.voters))

    def resubmit(self, ticket: UUID) -> None:
        resubmit_ticket(
            ticket_id=ticket, requester=self.key.user, proposal={"n": self.dice.randint(1, 99)}
        )

    def cancel(self, ticket: UUID) -> None:
        cancel_ticket(ticket_id=ticket, by=self.key.user, reason="")

    def revoke(self, ticket: UUID) -> None:
        revoke_ticket(ticket_id=ticket, by=self.dice.choice(self.voters), reason="no")

    def hold_it(self, ticket: UUID) -> None:
        claim_ticket(ticket_id=ticket, person=self.dice.choice(self.voters))

    def let_go(self, ticket: UUID) -> None:
        release_ticket(ticket_id=ticket, person=self.dice.choice(self.voters))

    def consume(self, ticket: UUID) -> None:
        decision = Ticket.objects.select_related("decision").get(pk=ticket).decision
        consume_receipt(ticket_id=ticket, key=self.key, nonce="n", digest=decision.executed_digest)

    def time_out(self, ticket: UUID) -> None:
        past = db_now() - timedelta(seconds=1)
        Ticket.objects.filter(pk=ticket, next_deadline_at__isnull=False).update(
            expires_at=past, due_at=past, due_soon_at=None, next_deadline_at=past
        )
        conclude_tickets([ticket])


ACTS: list[Callable[[Walk, UUID], None]] = [
    *(Walk.vote, Walk.withdraw, Walk.resubmit, Walk.cancel, Walk.revoke),
    *(Walk.hold_it, Walk.let_go, Walk.consume, Walk.time_out),
]
WEIGHTS = [12, 3, 4, 1, 2, 2, 1, 1, 1]


def walk(hand: Hand) -> None:
    """Make tickets until this hand's share of events is written."""
    walking = Walk(hand)
    written = 0
    while written < hand.parcel["events"]:
        ticket = walking.ticket()
        written += ChainHead.objects.get(pk=f"ticket:{ticket}").seq
        hand.note(ticket=ticket)
    hand.note(refused=dict(walking.refused))


def differences(tickets: list[UUID]) -> tuple[list[str], int, Counter[str]]:
    """Return (tickets that differ from their story and how, events read, statuses)."""
    stories: dict[str, list[tuple[str, Any]]] = defaultdict(list)
    rows = AuditEvent.objects.filter(stream__startswith="ticket:").order_by("stream", "seq")
    for stream, kind, data in rows.values_list("stream", "type", "data").iterator():
        stories[stream].append((kind, data))
    votes: dict[UUID, dict[str, str]] = defaultdict(dict)
    cast_votes = Vote.objects.filter(withdrawn_at__isnull=True)
    for decision, vote, choice in cast_votes.values_list("decision_id", "pk", "choice"):
        votes[decision][str(vote)] = choice
    wrong, statuses = list[str](), Counter[str]()
    for ticket in Ticket.objects.filter(pk__in=tickets).select_related("decision"):
        told = fold(stories[ticket.stream])
        stands = (ticket.status, ticket.round, ticket.decision.outcome, votes[ticket.decision_id])
        tells = (told.status, told.round, told.outcome, told.votes)
        if tells != stands:
            wrong.append(f"{ticket.pk} tells {tells}, stands {stands}: {stories[ticket.stream]}")
        statuses[ticket.status] += 1
    return wrong, sum(map(len, stories.values())), statuses


def accepted_updates(tickets: list[UUID]) -> tuple[int, int]:
    """Return (updates without an event that were taken, tried): every status, and the outcome."""
    taken = tried = 0
    attempts: list[Callable[[UUID], int]] = [
        *(
            lambda t, s=status: Ticket.objects.filter(pk=t).exclude(status=s).update(status=s)
            for status in Ticket.Status.values
        ),
        lambda t: Decision.objects.filter(subject=t).update(outcome="other"),
        lambda t: Decision.objects.filter(subject=t).update(
            outcome="approve", by="votes", settled_at=db_now(), final_at=db_now()
        ),
    ]
    for ticket in tickets:
        for attempt in attempts:
            try:
                with transaction.atomic():
                    changed = attempt(ticket)
            except IntegrityError:
                tried += 1
            else:
                tried += bool(changed)
                taken += bool(changed)
    return taken, tried


def story(scene: Scene, *, events: int, probes: int) -> Figure:
    people = cast(voters=6, needed=2)
    # Where an answer is held back before it is final, it can be taken back.
    held = cast(voters=0, needed=2, hold="PT1H")
    ledger = scene.crew(
        walk,
        hands=HANDS,
        parcel={
            "seed": scene.seed,
            "key": people.key.pk,
            "voters": [p.pk for p in people.voters],
            "checkpoints": [people.checkpoint, people.checkpoint, held.checkpoint],
            "events": events // HANDS,
        },
    )
    tickets = [line["ticket"] for line in ledger if "ticket" in line]
    taken, tried = accepted_updates(scene.rng.sample(sorted(tickets), min(probes, len(tickets))))
    wrong, read, statuses = differences(tickets)
    refused = sum((Counter(line["refused"]) for line in ledger if "refused" in line), Counter())
    return figure(
        f"{read} events of {len(tickets)} tickets folded, {tried} raw updates tried",
        details={"statuses": dict(statuses), "refused": dict(refused), "differ": wrong[:5]},
        differences=len(wrong),
        raw_updates_taken=taken,
    )


def run(scene: Scene) -> Figure:
    return story(scene, events=scene.size(10_000, least=200), probes=scene.size(40, least=5))


def control(scene: Scene) -> Figure:
    switches.drop_triggers("ticket_told", "ticket_transition", "decision_told")
    return story(scene, events=scene.size(800, least=200), probes=10)


ROW = Row("A4", "No decision without its event, no event without its decision", run, control)
