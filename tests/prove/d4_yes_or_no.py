"""D4: one person approves and another rejects at the same instant: one answer, never both."""

from collections import Counter, defaultdict
from typing import Any
from uuid import UUID

from approvals.models import User
from tests.prove import ballots, switches
from tests.prove.cast import cast
from tests.prove.crew import Hand
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

CHOICES = ("approve", "reject")
ENDS = {"approve": "approved", "reject": "rejected"}


def answer_all(hand: Hand) -> None:
    """Give one's own answer to every ticket, at the same instant as the other."""
    voter = User.objects.get(pk=hand.parcel["voters"][hand.number])
    for ticket in hand.parcel["tickets"]:
        hand.meet()
        ballots.vote(hand, ticket=ticket, voter=voter, choice=CHOICES[hand.number])


def no_history(lines: list[dict[str, Any]], told: list[str], status: str, leaving: int) -> str:
    """Return why what was acknowledged is no possible history, or "" when it is one.

    One vote is enough here, so in every order of two votes the first decides and the second is
    told that it came too late.
    """
    taken = [line for line in lines if line["code"] == "taken"]
    late = [line for line in lines if line["code"] == "already-decided"]
    if len(taken) != 1 or len(late) != len(lines) - 1:
        return f"answered {sorted(line['code'] for line in lines)}"
    meant = ENDS[taken[0]["choice"]]
    if taken[0]["status"] != meant:
        return f"a vote to {taken[0]['choice']} was acknowledged as {taken[0]['status']}"
    if (status, told, leaving) != (meant, [meant], 1):
        return f"{meant} was acknowledged; {status} stands, {told} was told, {leaving} left"
    return ""


def race(scene: Scene, *, pairs: int) -> Figure:
    people = cast(voters=2)
    ids = people.open_many(pairs)
    ledger = scene.crew(
        answer_all,
        hands=2,
        parcel={"voters": [p.pk for p in people.voters], "tickets": ids},
    )
    answers: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for line in ledger:
        # A try again after a busy lock is the same vote.
        if line["code"] != "busy":
            answers[line["ticket"]].append(line)
    told, leaving, status = ballots.outcomes_told(ids), ballots.effects(ids), ballots.standing(ids)
    wrong = {
        ticket: why
        for ticket in ids
        if (why := no_history(answers[ticket], told[ticket], status[ticket], leaving[ticket]))
    }
    acknowledged = {
        ticket: {line["status"] for line in lines if line["code"] == "taken"} & ballots.DECIDED
        for ticket, lines in answers.items()
    }
    return figure(
        f"{pairs} pairs of an approval and a rejection at a barrier",
        details={
            "answers": ballots.codes(ledger),
            "statuses": dict(Counter(status.values())),
            "wrong": Counter(wrong.values()).most_common(5),
        },
        contradictory=sum(len({*told[t], *acknowledged[t], status[t]}) > 1 for t in ids),
        not_a_possible_history=len(wrong),
    )


def run(scene: Scene) -> Figure:
    return race(scene, pairs=scene.size(1000, least=10))


def control(scene: Scene) -> Figure:
    scene.switch_off("ticket-lock")
    switches.drop_triggers(
        "vote_on_open_question",
        "ticket_transition",
        "ticket_told",
        "decision_told",
        "decision_final",
    )
    switches.drop_constraints("delivery_one_effect_per_round")
    return race(scene, pairs=scene.size(300, least=30))


ROW = Row("D4", "Approved or rejected, never both", run, control)
