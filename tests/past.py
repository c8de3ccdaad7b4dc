"""Days a house has lived through, so that figures have something to tell."""

from datetime import timedelta
from random import Random

from approvals.errors import Refusal
from approvals.models import AccessKey, User
from audit.clock import db_now, shifted
from reviews.services.counting import count_again, count_figures, day_of
from reviews.services.requests import TicketRequest
from reviews.services.sweeps import sweep_deadlines
from reviews.services.tickets import open_ticket, revoke_ticket
from reviews.services.votes import cast_vote

REASONS = (
    "The supplier is not on the list.",
    "Too expensive for this quarter.",
    "A duplicate of an earlier one.",
    "Already paid last month.",
)


def live_through(*, days: int, per_day: int, seed: int = 5) -> None:
    """Open tickets on past days, let the reviewers answer most of them, and count it all."""
    chance = Random(seed)
    key = AccessKey.objects.filter(kind=AccessKey.Kind.SERVICE).order_by("pk").first()
    assert key is not None
    people = list(User.objects.filter(groups__name="reviewer").order_by("pk"))
    for day in range(days, 0, -1):
        for _ in range(max(round(per_day * chance.uniform(0.5, 1.5)), 1)):
            opened = timedelta(days=-day, minutes=chance.uniform(-300, 300))
            sure = chance.choice([0.55, 0.65, 0.75, 0.85, 0.93, 0.97])
            with shifted(opened):
                ticket = open_ticket(
                    requester=key.user,
                    key=key,
                    request=TicketRequest(
                        title="Pay an invoice",
                        proposal={"payee": "ACME", "total": chance.randrange(2000)},
                        ai={"prediction": "pay", "confidence": sure, "model": "payer-1"},
                    ),
                )
            if chance.random() < 0.05:
                continue  # nobody answers
            # What the AI is surest of is less sure than it says.
            choice = "approve" if chance.random() < min(sure, 0.82) else "reject"
            took = timedelta(minutes=min(chance.lognormvariate(3.6, 1.1), 1200))
            with shifted(opened + took):
                try:
                    vote = cast_vote(
                        ticket_id=ticket.pk,
                        voter=chance.choice(people),
                        choice=choice,
                        version=ticket.version,
                        reason="" if choice == "approve" else chance.choice(REASONS),
                        confirmed="now",
                    )
                except Refusal:
                    continue  # too many in an hour, or a moment too late
                if choice == "approve" and chance.random() < 0.04:
                    revoke_ticket(ticket_id=ticket.pk, by=vote.vote.voter, reason="The wrong one.")
        with shifted(timedelta(hours=-24 * day + 6)):
            sweep_deadlines()
    sweep_deadlines()
    count_again(since=day_of(db_now() - timedelta(days=days + 1)))
    count_figures()
