"""Every way in for a vote: the service, the interface, the desk, and plain SQL."""

import http.client
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db import DatabaseError, connection, transaction

from approvals.errors import Refusal
from approvals.models import Decision, Delegation, User, Vote
from audit.clock import db_now
from audit.ids import new_id
from reviews.models import Ticket
from reviews.services.votes import cast_vote
from tests.prove import web

Door = Callable[[str, UUID, User], str]
NOT_THERE = "not there"


def by_service(_url: str, ticket: UUID, person: User) -> str:
    version = Ticket.objects.values_list("version", flat=True).get(pk=ticket)
    try:
        cast_vote(ticket_id=ticket, voter=person, choice="approve", version=version)
    except Refusal as refusal:
        return refusal.code
    return "taken"


def _post(url: str, path: str, body: object, *, token: str = "", **headers: str) -> str:
    client = web.Client(url, token, **headers)
    try:
        status, answer, _ = client.call("POST", path, body)
    except (OSError, http.client.HTTPException) as problem:
        return f"500 {problem!r}"
    finally:
        client.close()
    code = answer.get("code", "") if isinstance(answer, dict) else ""
    # Where there is nothing, the answer names no refusal of ours.
    if path.startswith("/hitl/") and status in (404, 405):
        return NOT_THERE
    return f"{status} {code}".strip()


def _approval(ticket: UUID) -> dict[str, object]:
    version = Ticket.objects.values_list("version", flat=True).get(pk=ticket)
    return {"choice": "approve", "version": version}


def by_token(url: str, ticket: UUID, person: User) -> str:
    path = f"/api/v1/tickets/{ticket}/votes"
    return _post(url, path, _approval(ticket), token=web.token_of(person))


def by_session(url: str, ticket: UUID, person: User) -> str:
    path = f"/api/v1/tickets/{ticket}/votes"
    return _post(url, path, _approval(ticket), **web.session_of(person))


def by_seed_route(url: str, ticket: UUID, person: User) -> str:
    body = {
        "interaction_id": str(ticket),
        "user_input": {"decision": "approve"},
        "version": _approval(ticket)["version"],
    }
    return _post(url, "/hitl/respond", body, token=web.token_of(person))


def by_desk(url: str, ticket: UUID, person: User) -> str:
    User.objects.filter(pk=person.pk).update(is_staff=True)
    form = urlencode({"act": "vote", **_approval(ticket), "reason": "", "approve-reason": ""})
    headers = web.session_of(person) | {"Content-Type": "application/x-www-form-urlencoded"}
    return _post(url, f"/admin/reviews/ticket/{ticket}/change/", form.encode(), **headers)


def insert(ticket: UUID, *, voter: User, principal: User, kind: str = "human") -> str:
    """Try to insert a vote with plain SQL, everything else about it being right."""
    decision = Decision.objects.get(pk=Ticket.objects.get(pk=ticket).decision_id)
    row: dict[str, Any] = {
        "id": new_id(),
        "decision_id": decision.pk,
        "voter_id": voter.pk,
        "principal_id": principal.pk,
        "voter_kind": kind,
        "choice": "approve",
        "outcome_digest": "",
        "reason": "",
        "version": decision.version,
        "digest": decision.digest,
        "channel": "sql",
        "cast_at": connection.ops.adapt_datetimefield_value(db_now()),
    }
    if not connection.features.has_native_uuid_field:
        row |= {"id": row["id"].hex, "decision_id": decision.pk.hex}
    columns, marks = ", ".join(row), ", ".join(["%s"] * len(row))
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            query = f"INSERT INTO approvals_vote ({columns}) VALUES ({marks})"
            cursor.execute(query, list(row.values()))
    except DatabaseError as problem:
        return str(problem).splitlines()[0]
    return "taken"


def by_service_for_lender(_url: str, ticket: UUID, person: User) -> str:
    """Vote for whoever lends this person their vote."""
    loan = Delegation.objects.in_force(db_now()).filter(delegate=person).first()
    if loan is None:
        return NOT_THERE
    version = Ticket.objects.values_list("version", flat=True).get(pk=ticket)
    named = loan.lender.get_username()
    try:
        cast_vote(
            ticket_id=ticket, voter=person, choice="approve", version=version, on_behalf_of=named
        )
    except Refusal as refusal:
        return refusal.code
    return "taken"


def by_delegate(_url: str, ticket: UUID, person: User) -> str:
    """Let whoever this person lends their vote to cast it."""
    loan = Delegation.objects.in_force(db_now()).filter(lender=person).first()
    if loan is None:
        return NOT_THERE
    version = Ticket.objects.values_list("version", flat=True).get(pk=ticket)
    named = person.get_username()
    try:
        cast_vote(
            ticket_id=ticket,
            voter=loan.delegate,
            choice="approve",
            version=version,
            on_behalf_of=named,
        )
    except Refusal as refusal:
        return refusal.code
    return "taken"


def by_sql(_url: str, ticket: UUID, person: User) -> str:
    return insert(ticket, voter=person, principal=person)


def by_sql_for_another(_url: str, ticket: UUID, person: User) -> str:
    """Insert a vote that somebody else casts for this person, who lends it to them."""
    voted = Vote.objects.filter(decision__subject=ticket).values("voter")
    other = User.objects.filter(username__startswith="voter-").exclude(pk__in=voted).first()
    assert other is not None
    now = db_now()
    Delegation.objects.create(
        lender=person,
        delegate=other,
        made_by=person,
        made_at=now,
        starts_at=now,
        ends_at=now + timedelta(hours=1),
    )
    return insert(ticket, voter=other, principal=person)


SERVICE_DOORS: dict[str, Door] = {
    "service": by_service,
    "service for a lender": by_service_for_lender,
    "service by a delegate": by_delegate,
    "SQL": by_sql,
    "SQL for another": by_sql_for_another,
}
WEB_DOORS: dict[str, Door] = {
    "personal token": by_token,
    "session": by_session,
    "seed route": by_seed_route,
    "desk": by_desk,
}
