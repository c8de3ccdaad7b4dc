"""How a ticket reads outside: the same members in the API, in webhooks and in the SDK."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from approvals.models import Decision, User, Vote
from audit.chain import instant
from audit.services import Draft
from reviews import lifecycle
from reviews.models import Ticket


def iso(at: datetime | None) -> str | None:
    """Return an instant as ISO-8601 in UTC, or None."""
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def ticket_allowed(ticket: Ticket, decision: Decision) -> bool | None:
    """Return what the caller may do: True, False, or None for not yet."""
    ask_after = decision.question["timing"].get("ask") == "after"
    return lifecycle.allowed(ticket.status, ask_after=ask_after)


def decision_members(ticket: Ticket, decision: Decision) -> dict[str, Any] | None:
    """Return the answer as it stands, or None while nobody has settled it.

    What is asked after the act stands allowed from the opening, by the checkpoint's rule.
    """
    if decision.settled_at is None and ticket_allowed(ticket, decision) is not True:
        return None
    final = ticket.status != Ticket.Status.PENDING
    return {
        "outcome": decision.outcome or None,
        "by": decision.by or Decision.By.RULE.value,
        "timeout_applied": decision.by == Decision.By.TIMEOUT,
        "comments": (decision.reason or None) if final else None,
        "amendments": decision.amendments,
        "response": decision.response,
        "settled_at": iso(decision.settled_at),
        "final_at": iso(decision.final_at),
        "revocable_until": iso(decision.revocable_until),
        "revoked_at": iso(decision.revoked_at),
        "revoked_seen_at": iso(ticket.revoked_seen_at),
    }


def approved_content(ticket: Ticket, decision: Decision) -> Any:
    """Return exactly what was approved, parsed from the bytes that were hashed, or None."""
    if not ticket_allowed(ticket, decision):
        return None
    return json.loads(decision.executed_content)


def resumed_state(ticket: Ticket, decision: Decision) -> dict[str, Any] | None:
    """Return a pipeline's stored state with the answer merged over it, once there is one.

    Which of several answers won is part of it, as `decision`, and that silence gave it.
    """
    if not ticket.pipeline or ticket_allowed(ticket, decision) is not True:
        return None
    answer: dict[str, Any] = {}
    if sum(option["effect"] == "answer" for option in decision.question["options"]) > 1:
        answer["decision"] = decision.outcome
    if decision.by == Decision.By.TIMEOUT:
        answer["timeout_applied"] = True
    return {**(ticket.pipeline.get("state") or {}), **answer, **(decision.response or {})}


def ticket_core(ticket: Ticket, decision: Decision) -> dict[str, Any]:
    """Return the members that every reader of a ticket gets; no query is made."""
    resume = resumed_state(ticket, decision)
    return {
        "id": str(ticket.pk),
        "ref": ticket.label,
        "reference": ticket.reference or None,
        "checkpoint": ticket.checkpoint.slug,
        "title": ticket.title,
        "status": ticket.status,
        "allowed": ticket_allowed(ticket, decision),
        "version": ticket.version,
        "round": ticket.round,
        "previous": str(ticket.previous_id) if ticket.previous_id else None,
        "second_look": ticket.second_look or None,
        "digest": decision.digest,
        "action_digest": decision.executed_digest,
        "rule": ticket.rule,
        "decision": decision_members(ticket, decision),
        "comments": (decision.reason or None) if ticket.status != "pending" else None,
        "approved": approved_content(ticket, decision),
        "pipeline": {**ticket.pipeline, "resume": resume} if ticket.pipeline else None,
        "created_at": iso(ticket.created_at),
        "due_at": iso(ticket.due_at),
        "expires_at": iso(ticket.expires_at),
    }


def envelope(draft: Draft, *, subject: object, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return one fact as a CloudEvents 1.0 message; its own words stand under `fact`."""
    return {
        "specversion": "1.0",
        "id": str(draft.id),
        "source": f"{settings.BASE_URL}/api/v1",
        "type": draft.type,
        "subject": str(subject),
        "time": instant(draft.at),
        "datacontenttype": "application/json",
        "data": {**data, "fact": dict(draft.data)},
    }


def cloud_event(*, ticket: Ticket, draft: Draft) -> dict[str, Any]:
    """Return one fact about a ticket as a CloudEvents 1.0 message."""
    return envelope(draft, subject=ticket.pk, data=ticket_core(ticket, ticket.decision))


def voter_name(vote: Vote, people: Mapping[int, User]) -> str:
    """Return who voted: `Ann`, or `Ben for Ann` where Ann lent Ben her vote."""
    voter = people[vote.voter_id].label
    lent = vote.principal_id != vote.voter_id
    return f"{voter} for {people[vote.principal_id].label}" if lent else voter
