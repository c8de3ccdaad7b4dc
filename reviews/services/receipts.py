"""The signed statement of a final decision, and the stamp that makes it usable once."""

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.conf import settings

from approvals.errors import Refusal, WrongState
from approvals.models import AccessKey, Receipt
from approvals.receipts import RECEIPT_TYPE, receipt_claims
from approvals.services import receipts
from audit.keys import signing_key
from reviews.models import Ticket
from reviews.representation import ticket_allowed
from reviews.services.looks import permits_nothing_new
from reviews.services.requests import request_of
from reviews.services.tickets import open_ticket
from reviews.services.turns import Turn, turn_at

APPLIED = "applied"


def receipt_of(ticket: Ticket) -> dict[str, Any]:
    """Return the claims of a ticket's receipt; the same decision always gives the same claims.

    :raises WrongState: while nothing is final, and for a decision that was revoked.
    """
    decision = ticket.decision
    final = decision.final_at is not None and ticket.closed_at is not None
    if not final or decision.settled_at is None or ticket.status == Ticket.Status.REVOKED:
        raise WrongState(f"A ticket that is {ticket.status} has no receipt.")
    assert decision.final_at is not None
    votes = decision.votes.filter(withdrawn_at__isnull=True).select_related("voter")
    return receipt_claims(
        issuer=settings.BASE_URL,
        ticket_id=ticket.pk,
        ref=ticket.label,
        checkpoint=ticket.checkpoint.slug,
        decision_id=decision.pk,
        round=decision.round,
        outcome=decision.outcome,
        status=ticket.status,
        allowed=bool(ticket_allowed(ticket, decision)),
        action_digest=decision.executed_digest,
        digest=decision.digest,
        voters=[
            {"name": vote.voter.get_username(), "choice": vote.choice, "at": vote.cast_at}
            for vote in votes
        ],
        by=decision.by,
        nonce=decision.nonce,
        settled_at=decision.settled_at,
        final_at=decision.final_at,
        expires_at=decision.final_at + receipts.VALID_FOR,
    )


def signed_receipt(ticket: Ticket) -> str:
    """Return a ticket's receipt as a signed token (EdDSA); the same decision gives the same one.

    :raises WrongState: while nothing is final, and for a decision that was revoked.
    """
    return signing_key().jwt(receipt_of(ticket), typ=RECEIPT_TYPE)


def consume_receipt(*, ticket_id: UUID, key: AccessKey, nonce: str, digest: str) -> Receipt:
    """Stamp a receipt before its action is executed. Only the first stamp succeeds.

    :raises Refusal: WrongState, SchemaMismatch, AlreadyConsumed.
    """
    with turn_at(ticket_id=ticket_id, actor=key.user) as turn:
        if permits_nothing_new(turn.ticket):
            raise WrongState(
                "This only looked at what was allowed already; use that one's receipt."
            )
        receipt = receipts.consume(
            decision=turn.decision, key=key, nonce=nonce, digest=digest, now=turn.now
        )
        turn.story.add("ticket.consumed", data={"consumption": str(receipt.pk), "digest": digest})
    return receipt


def record_result(
    *, ticket_id: UUID, key: AccessKey, consumption_id: str, result: str, detail: Any
) -> Receipt:
    """Note how the execution of a consumed receipt went, once.

    :raises Refusal: NotVisible, WrongState.
    """
    with turn_at(ticket_id=ticket_id, actor=key.user) as turn:
        receipt = receipts.record_result(
            decision=turn.decision,
            consumption_id=consumption_id,
            result=result,
            detail=detail,
            now=turn.now,
        )
        if receipt.recorded_at == turn.now:
            turn.story.add("ticket.result_recorded", data={"result": result})
            if result == APPLIED:
                _open_next_step(turn)
    return receipt


def _open_next_step(turn: Turn) -> None:
    """Ask about the next step of a rollout: a ticket of its own, over the bytes just applied."""
    ticket, decision = turn.ticket, turn.decision
    if len(decision.question["repeat"]["steps"]) < 2:
        return
    given = request_of(ticket)
    request = replace(
        given,
        step=given.step + 1,
        proposal=json.loads(decision.executed_content),
        region=ticket.region.slug if ticket.region else "",
        previous=str(ticket.pk),
        reference="",
    )
    try:
        open_ticket(requester=ticket.requester, key=ticket.access_key, request=request)
    except Refusal as problem:
        # What was applied stays applied and noted, also where the next step is refused.
        turn.story.add("ticket.next_step_refused", data={"why": problem.code})
