"""D2: exactly as many people as are needed vote at the same instant: the ticket is decided."""

from collections import Counter

from approvals.models import User
from tests.prove import ballots
from tests.prove.cast import cast
from tests.prove.crew import Hand
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

NEEDED = 4


def approve_all(hand: Hand) -> None:
    """Approve every ticket at the same instant as the others."""
    voter = User.objects.get(pk=hand.parcel["voters"][hand.number])
    for ticket in hand.parcel["tickets"]:
        hand.meet()
        ballots.vote(hand, ticket=ticket, voter=voter, choice="approve")


def race(scene: Scene, *, tickets: int) -> Figure:
    people = cast(voters=NEEDED, needed=NEEDED)
    ids = people.open_many(tickets)
    ledger = scene.crew(
        approve_all,
        hands=NEEDED,
        parcel={"voters": [p.pk for p in people.voters], "tickets": ids},
    )
    status = ballots.standing(ids)
    acknowledged = Counter(line["ticket"] for line in ledger if line["code"] == "taken")
    return figure(
        f"{NEEDED} of {NEEDED} voters at a barrier × {tickets} tickets",
        details={"answers": ballots.codes(ledger), "statuses": dict(Counter(status.values()))},
        undecided=sum(status[t] != "approved" for t in ids),
        votes_lost=sum(acknowledged[t] != NEEDED for t in ids),
    )


def run(scene: Scene) -> Figure:
    return race(scene, tickets=scene.size(300, least=5))


def control(scene: Scene) -> Figure:
    scene.switch_off("ticket-lock")
    return race(scene, tickets=scene.size(300, least=20))


ROW = Row("D2", "Quorum met = decided, always", run, control)
