"""D14: an override and the end of its window at the same instant: kept or overridden, just one."""

import time
from collections import Counter, defaultdict
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

from approvals.errors import Busy, Refusal
from approvals.models import User
from audit.clock import db_now
from audit.models import AuditEvent
from reviews.models import Delivery, Ticket, WebhookEndpoint
from reviews.services.sweeps import conclude_tickets
from reviews.services.votes import cast_vote
from tests.prove import ballots, switches
from tests.prove.cast import cast
from tests.prove.crew import Hand
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

AHEAD = timedelta(milliseconds=120)


def override_or_sweep(hand: Hand) -> None:
    """Let the window of each ticket end, and override it (hand 1) or sweep (hand 0) around it."""
    voter = User.objects.get(pk=hand.parcel["voter"])
    for ticket, offsets in hand.parcel["races"]:
        hand.meet()
        if hand.number == 0:
            end = db_now() + AHEAD
            Ticket.objects.filter(pk=ticket).update(expires_at=end, next_deadline_at=end)
        hand.meet()
        end = Ticket.objects.values_list("expires_at", flat=True).get(pk=ticket)
        _await(end.timestamp() + offsets[hand.number])
        if hand.number == 0:
            with suppress(Busy):
                conclude_tickets([ticket], skip_locked=True)
        else:
            hand.note(ticket=ticket, **_override(ticket, voter))


def _await(instant: float) -> None:
    """Return at this instant; both clocks are this machine's."""
    while (left := instant - time.time()) > 0:
        time.sleep(left if left < 0.002 else left - 0.001)


def _override(ticket: UUID, voter: User) -> dict[str, Any]:
    try:
        answer = cast_vote(
            ticket_id=ticket,
            voter=voter,
            choice="override",
            version=1,
            reason="wrong",
            response={"new_decision": "the other way"},
        )
    except Busy:
        return {"code": "busy"}
    except Refusal as refusal:
        return {"code": refusal.code}
    return {"code": "taken", "status": answer.ticket.status, "at": answer.vote.cast_at}


def race(scene: Scene, *, races: int, around: float) -> Figure:
    people = cast(voters=1, preset="post-approval")
    WebhookEndpoint.objects.update(types=["ticket.decided", "ticket.overridden"])
    ids = people.open_many(races)
    dice = scene.rng
    offsets = [(dice.uniform(-around, around), dice.uniform(-around, around)) for _ in ids]
    ledger = scene.crew(
        override_or_sweep,
        hands=2,
        parcel={"voter": people.voters[0].pk, "races": list(zip(ids, offsets, strict=True))},
    )
    conclude_tickets(ids)
    told: dict[UUID, list[AuditEvent]] = defaultdict(list)
    streams = {f"ticket:{ticket}": ticket for ticket in ids}
    for event in AuditEvent.objects.filter(stream__in=streams):
        told[streams[event.stream]].append(event)
    rollbacks: Counter[UUID] = Counter(
        Delivery.objects.filter(ticket__in=ids, type="ticket.overridden").values_list(
            "ticket_id", flat=True
        )
    )
    ends = dict(Ticket.objects.filter(pk__in=ids).values_list("pk", "expires_at"))
    status, effects = ballots.standing(ids), ballots.effects(ids)
    answers = {line["ticket"]: line for line in ledger}
    overridden = {t for t in ids if answers[t]["code"] == "taken"}
    decided = {t: [e for e in told[t] if e.type == "ticket.decided"] for t in ids}
    return figure(
        f"{races} overrides within ±{around * 1000:.0f} ms of the end of their window",
        details={"answers": ballots.codes(ledger), "statuses": dict(Counter(status.values()))},
        both=sum(
            len(decided[t]) > 1
            or effects[t] > 1
            or (t in overridden) != (status[t] == "rejected")
            or rollbacks[t] != (t in overridden)
            for t in ids
        ),
        neither=sum(status[t] not in {"approved", "rejected"} or not decided[t] for t in ids),
        overridden_too_late=sum(answers[t]["at"] >= ends[t] for t in overridden),
        kept_too_early=sum(
            event.at < ends[t] for t in ids if t not in overridden for event in decided[t]
        ),
    )


def run(scene: Scene) -> Figure:
    return race(scene, races=scene.size(200, least=5), around=0.05)


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
    return race(scene, races=scene.size(200, least=60), around=0.01)


ROW = Row("D14", "Kept or overridden, exactly one of them", run, control)
