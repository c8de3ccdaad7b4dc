"""D1: many people vote at once, each twice: one decision, one effect, nothing contradictory."""

from collections import Counter
from typing import Any
from uuid import UUID

from approvals.models import User
from tests.prove import ballots, switches
from tests.prove.cast import cast
from tests.prove.crew import Hand
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

NEEDED = 3


def send_all(hand: Hand) -> None:
    """Vote on every ticket, and send the vote of one's neighbour a second time."""
    voters = list(User.objects.filter(pk__in=hand.parcel["voters"]).order_by("pk"))
    mine, neighbour = voters[hand.number], voters[(hand.number + 1) % len(voters)]
    for ticket, choices in hand.parcel["tickets"]:
        hand.meet()
        for voter, choice in (
            (mine, choices[hand.number]),
            (neighbour, choices[(hand.number + 1) % len(voters)]),
        ):
            ballots.vote(hand, ticket=ticket, voter=voter, choice=choice)


def race(scene: Scene, *, voters: int, tickets: int) -> Figure:
    people = cast(voters=voters, needed=NEEDED)
    ids = people.open_many(tickets)
    both = ("approve", "reject")
    chosen = [(ticket, scene.rng.choices(both, k=voters)) for ticket in ids]
    ledger = scene.crew(
        send_all,
        hands=voters,
        parcel={"voters": [p.pk for p in people.voters], "tickets": chosen},
    )
    return judge(ids, ledger, ran=f"{voters} voters × {tickets} tickets, each vote sent twice")


def judge(ids: list[UUID], ledger: list[dict[str, Any]], *, ran: str) -> Figure:
    """Compare what was acknowledged, what stands, what was told and what leaves."""
    told, leaving, status = ballots.outcomes_told(ids), ballots.effects(ids), ballots.standing(ids)
    votes = ballots.stored_votes(ids)
    counts = Counter((ticket, choice) for ticket, _, _, choice in votes)
    people = Counter((ticket, voter) for ticket, _, voter, _ in votes)
    acked = {line["vote"] for line in ledger if line["code"] == "taken"}
    stored = {vote for _, vote, _, _ in votes}
    seen: dict[UUID, set[str]] = {}
    for line in ledger:
        if line["code"] == "taken" and line["status"] in ballots.DECIDED:
            seen.setdefault(line["ticket"], set()).add(line["status"])
    met = {t for (t, _), n in counts.items() if n >= NEEDED}
    return figure(
        ran,
        details={"answers": ballots.codes(ledger), "statuses": dict(Counter(status.values()))},
        multi_effect=sum(len(told[t]) > 1 or leaving[t] > 1 for t in ids),
        contradictory=sum(
            len({*told[t], *seen.get(t, ()), *({status[t]} & ballots.DECIDED)}) > 1 for t in ids
        ),
        stuck=sum(status[t] == "pending" for t in met),
        voted_twice=sum(n > 1 for n in people.values()),
        acknowledged_but_missing=len(acked - stored),
        unacknowledged=len(stored - acked),
        without_effect=sum(status[t] in ballots.DECIDED and not leaving[t] for t in ids),
        turned_away=sum(line["code"] == "gave-up" for line in ledger),
        refused_by_a_constraint=sum(line["code"] == "integrity" for line in ledger),
    )


def run(scene: Scene) -> Figure:
    return race(scene, voters=scene.size(64, least=6), tickets=scene.size(200, least=3))


def control(scene: Scene) -> Figure:
    scene.switch_off("ticket-lock")
    switches.drop_constraints(
        "vote_one_per_principal", "vote_one_per_voter", "delivery_one_effect_per_round"
    )
    switches.drop_triggers(
        "vote_on_open_question",
        "ticket_transition",
        "ticket_told",
        "decision_told",
        "decision_final",
    )
    return race(scene, voters=scene.size(64, least=8), tickets=scene.size(20, least=5))


ROW = Row("D1", "One ticket, one decision, one effect", run, control)
