"""Short words for telling a story, and what must hold when it has been told."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from approvals.errors import Refusal
from approvals.models import Receipt, Vote
from approvals.presets import PRESETS
from audit.chain import verify_stream
from audit.clock import shifted
from audit.models import AuditEvent, ChainHead
from audit.services import stored_fields
from reviews.models import Checkpoint, Lane, Rule, Ticket
from tests.builders import make_checkpoint, make_policy


@contextmanager
def refused(why: type[Refusal], *, at: str | None = None, **extra: Any) -> Iterator[None]:
    """Expect exactly this refusal (at this pointer, saying this), and undo what had begun."""
    with pytest.raises(Refusal) as caught, transaction.atomic():
        yield
    problem = caught.value
    assert type(problem) is why, f"{type(problem).__name__}: {problem.detail} {problem.errors}"
    if at is not None:
        assert at in [error["pointer"] for error in problem.errors], problem.errors
    for name, value in extra.items():
        assert problem.extra[name] == value


@contextmanager
def stopped_by_the_database(sentence: str) -> Iterator[None]:
    """Expect the database itself to refuse a statement, with this sentence."""
    with pytest.raises(IntegrityError, match=sentence), transaction.atomic():
        yield


def run_sql(statement: str, *parameters: Any) -> int:
    """Run one statement nobody reviewed; return how many rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return int(cursor.rowcount)


def stored(value: Any) -> Any:
    """Return a UUID as this database stores it."""
    return value if connection.features.has_native_uuid_field else value.hex


@contextmanager
def later(**by: float) -> Iterator[None]:
    """Tell what follows as if this much time had passed (`minutes=5`)."""
    with shifted(timedelta(**by)):
        yield


def question(
    preset: str = "review",
    *,
    needs: Sequence[Mapping[str, Any]] | None = None,
    stages: Sequence[Mapping[str, Any]] | None = None,
    **timing: Any,
) -> dict[str, Any]:
    """Return a preset's question with other people to ask or another timing."""
    asked = deepcopy(PRESETS[preset])
    if needs is not None:
        asked["stages"][0]["needs"] = [dict(need) for need in needs]
    if stages is not None:
        asked["stages"] = [dict(stage) for stage in stages]
    asked["timing"].update(timing)
    return asked


def people(role: str, count: int | str = 1) -> dict[str, Any]:
    """Return one need."""
    return {"role": role, "count": count}


def checkpoint(
    slug: str,
    asked: Mapping[str, Any] | None = None,
    *,
    rules: Sequence[Any] = (),
    safeguards: Mapping[str, Any] | None = None,
    **more: Any,
) -> Checkpoint:
    """Make a checkpoint with a question of its own and these rules, in this order."""
    policy = make_policy(slug, dict(asked or question()), **(safeguards or {}))
    made = make_checkpoint(slug, question=policy, **more)
    for position, rule in enumerate(rules):
        given = {"name": f"rule {position}", "position": position, **rule}
        Rule.objects.create(checkpoint=made, **given)
    return made


def types_told(ticket: Ticket) -> list[str]:
    """Return what a ticket's stream tells, without the common prefix."""
    events = AuditEvent.objects.filter(stream=ticket.stream).order_by("seq")
    return [event.type.removeprefix("ticket.") for event in events]


def last_told(ticket: Ticket) -> AuditEvent:
    """Return the last event of a ticket's stream."""
    event = AuditEvent.objects.filter(stream=ticket.stream).order_by("seq").last()
    assert event is not None
    return event


def everything_told_is_true() -> None:
    """Assert that every chain verifies and that every ticket is what its events say."""
    told = _verified_streams()
    for ticket in Ticket.objects.select_related("decision"):
        events = told[ticket.stream]
        assert _as_told(events) == _as_stored(ticket), f"{ticket} {[e.type for e in events]}"
        assert ticket.lane_id == Lane.id_of(
            queue_id=ticket.queue_id,
            policy_id=ticket.decision.policy_id,
            region_id=ticket.region_id,
        )
        assert ticket.last_event_id in {event.id for event in events}
        assert ticket.decision.last_event_id in {event.id for event in events}
    _votes_are_told(told)


def _verified_streams() -> dict[str, list[AuditEvent]]:
    streams: dict[str, list[AuditEvent]] = defaultdict(list)
    for event in AuditEvent.objects.order_by("stream", "seq"):
        streams[event.stream].append(event)
    heads = {head.stream: head for head in ChainHead.objects.all()}
    assert streams.keys() == {stream for stream, head in heads.items() if head.seq}
    for stream, events in streams.items():
        assert verify_stream(stored_fields(events)) == []
        assert (heads[stream].seq, heads[stream].hash) == (len(events), events[-1].hash)
    return streams


def _as_told(events: Sequence[AuditEvent]) -> dict[str, Any]:
    state = _opened()
    for event in events:
        _APPLY.get(event.type, _nothing)(state, event.data)
    state["escalated"] = sorted(state["escalated"])
    return state


def _opened() -> dict[str, Any]:
    fresh = {"votes": {}, "outcome": "", "by": "", "escalated": set(), "held": False}
    return {"status": "pending", "round": 1, "consumed": False, "action": None, **fresh}


def _cast(state: dict[str, Any], data: Mapping[str, Any]) -> None:
    state["votes"][data["vote"]] = data["choice"]


def _withdrawn(state: dict[str, Any], data: Mapping[str, Any]) -> None:
    del state["votes"][data["vote"]]
    if data.get("reopened", state["held"]):
        state.update(outcome="", by="", held=False)


def _settled(state: dict[str, Any], data: Mapping[str, Any]) -> None:
    state.update(outcome=data["outcome"], by="votes", held=True)


def _ended(state: dict[str, Any], data: Mapping[str, Any]) -> None:
    state.update(status=data["status"], held=False)
    if "outcome" in data:
        state.update(outcome=data["outcome"], by=data["by"], action=data["action_digest"])


def _again(state: dict[str, Any], data: Mapping[str, Any]) -> None:
    consumed = state["consumed"]
    state.update({**_opened(), "round": data["round"], "consumed": consumed})


def _stopped(state: dict[str, Any], data: Mapping[str, Any]) -> None:
    if state["status"] == "pending":
        state.update(outcome="", by="", held=False)
    state["status"] = "cancelled"


def _revoked(state: dict[str, Any], data: Mapping[str, Any]) -> None:
    state["status"] = "revoked"


def _consumed(state: dict[str, Any], data: Mapping[str, Any]) -> None:
    state["consumed"] = True


def _widened(state: dict[str, Any], data: Mapping[str, Any]) -> None:
    if data["role"]:
        state["escalated"].add(data["role"])


def _nothing(state: dict[str, Any], data: Mapping[str, Any]) -> None:
    """Claims, reminders and results change nothing that is decided."""


_APPLY = {
    "ticket.vote_cast": _cast,
    "ticket.vote_withdrawn": _withdrawn,
    "ticket.settled": _settled,
    "ticket.decided": _ended,
    "ticket.returned": _ended,
    "ticket.expired": _ended,
    "ticket.resubmitted": _again,
    "ticket.cancelled": _stopped,
    "ticket.revoked": _revoked,
    "ticket.consumed": _consumed,
    "ticket.escalated": _widened,
}


def _as_stored(ticket: Ticket) -> dict[str, Any]:
    decision = ticket.decision
    final = ticket.status != "pending" and decision.settled_at is not None
    standing = decision.votes.filter(withdrawn_at__isnull=True)
    return {
        "status": ticket.status,
        "round": ticket.round,
        "votes": {str(vote.pk): vote.choice for vote in standing},
        "outcome": decision.outcome,
        "by": decision.by,
        "held": decision.settled_at is not None and ticket.status == "pending",
        "action": decision.executed_digest if final else None,
        "escalated": sorted(decision.escalated),
        "consumed": Receipt.objects.filter(decision__subject=ticket.pk).exists(),
    }


def _votes_are_told(told: Mapping[str, Sequence[AuditEvent]]) -> None:
    cast, taken_back = {}, set()
    for events in told.values():
        for event in events:
            if event.type == "ticket.vote_cast":
                row = (event.data["digest"], event.data["version"], event.actor_id, event.at)
                assert event.data["vote"] not in cast
                cast[event.data["vote"]] = row
            elif event.type == "ticket.vote_withdrawn":
                taken_back.add(event.data["vote"])
    votes = Vote.objects.select_related("decision")
    for vote in votes:
        assert (vote.digest, vote.version) == (vote.decision.digest, vote.decision.version)
    assert cast == {
        str(vote.pk): (vote.digest, vote.version, str(vote.voter_id), vote.cast_at)
        for vote in votes
    }
    assert taken_back == {str(vote.pk) for vote in votes if vote.withdrawn_at is not None}
