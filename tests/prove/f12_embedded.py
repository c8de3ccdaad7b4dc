"""F12: several processes vote on one SQLite file: the same invariants, nobody is turned away."""

from approvals.models import User
from tests.prove import ballots
from tests.prove.cast import cast
from tests.prove.crew import Hand
from tests.prove.d1_one_decision import judge
from tests.prove.rows import Figure, Row
from tests.prove.scene import Scene

NEEDED = 3


def approve_all(hand: Hand) -> None:
    """Vote on every ticket at the same instant as the others, every third person against."""
    voter = User.objects.get(pk=hand.parcel["voters"][hand.number])
    choice = "reject" if hand.number % 3 == 2 else "approve"
    for ticket in hand.parcel["tickets"]:
        hand.meet()
        ballots.vote(hand, ticket=ticket, voter=voter, choice=choice)


def race(scene: Scene, *, processes: int, tickets: int) -> Figure:
    people = cast(voters=processes, needed=NEEDED)
    ids = people.open_many(tickets)
    scene.processes = processes if scene.processes else 0
    ledger = scene.crew(
        approve_all,
        hands=processes,
        parcel={"voters": [p.pk for p in people.voters], "tickets": ids},
    )
    found = judge(ids, ledger, ran=f"{processes} processes × {tickets} tickets on SQLite in WAL")
    busy = sum(line["code"] == "busy" for line in ledger)
    return Figure(
        found.broken + busy, f"{busy} busy errors, {found.sentence}", found.ran, found.details
    )


def run(scene: Scene) -> Figure:
    return race(scene, processes=8 if scene.processes else 4, tickets=scene.size(100, least=4))


def control(scene: Scene) -> Figure:
    scene.switch_off("immediate")
    return race(scene, processes=8, tickets=scene.size(20, least=8))


ROW = Row("F12", "The embedded mode keeps the same invariants", run, control, database="sqlite")
