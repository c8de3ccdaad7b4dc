"""D3: the same vote comes twice over two connections: it counts once, and both get one answer."""

from collections import Counter, defaultdict
from typing import Any

from approvals.models import User
from tests.prove import ballots, switches
from tests.prove.cast import cast
from tests.prove.crew import Hand
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

CONNECTIONS = 2


def approve_all(hand: Hand) -> None:
    """Approve every ticket; two hands are one person."""
    voter = User.objects.get(pk=hand.parcel["voters"][hand.number // CONNECTIONS])
    for ticket in hand.parcel["tickets"]:
        hand.meet()
        ballots.vote(hand, ticket=ticket, voter=voter, choice="approve")


def race(scene: Scene, *, voters: int, tickets: int) -> Figure:
    # Everybody is needed, so every person's vote counts until the last.
    people = cast(voters=voters, needed=voters)
    ids = people.open_many(tickets)
    ledger = scene.crew(
        approve_all,
        hands=voters * CONNECTIONS,
        parcel={"voters": [p.pk for p in people.voters], "tickets": ids},
    )
    votes = Counter((ticket, voter) for ticket, _, voter, _ in ballots.stored_votes(ids))
    replies: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for line in ledger:
        if line["code"] != "busy":
            replies[line["ticket"], line["voter"]].append(line)
    pairs = [(t, p.pk) for t in ids for p in people.voters]
    return figure(
        f"{voters} voters × {CONNECTIONS} connections × {tickets} tickets at a barrier",
        details={"answers": ballots.codes(ledger)},
        duplicate_votes=sum(votes[pair] > 1 for pair in pairs),
        missing_votes=sum(votes[pair] < 1 for pair in pairs),
        second_answers_that_differ=sum(
            sorted(line["code"] for line in replies[pair]) != ["replayed", "taken"]
            or len({line["vote"] for line in replies[pair]}) != 1
            for pair in pairs
        ),
    )


def run(scene: Scene) -> Figure:
    return race(scene, voters=scene.size(16, least=3), tickets=scene.size(150, least=4))


def control(scene: Scene) -> Figure:
    scene.switch_off("ticket-lock")
    switches.drop_constraints("vote_one_per_principal", "vote_one_per_voter")
    switches.drop_triggers("vote_on_open_question")
    return race(scene, voters=scene.size(16, least=4), tickets=scene.size(30, least=10))


ROW = Row("D3", "The same person counts once; the second reply is the first answer", run, control)
