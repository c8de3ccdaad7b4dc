"""A ticket as an earlier design knows it: an interaction with a form and one of four states."""

from typing import Any

from approvals.models import User
from approvals.services.polls import question_of
from reviews.forms.ui_fields import ui_schema_of
from reviews.models import Ticket
from reviews.representation import iso

_STATES = {
    Ticket.Status.PENDING: "pending",
    # Somebody answered; that the answer was "not like this" stands in the ticket.
    Ticket.Status.NEEDS_CHANGES: "completed",
    Ticket.Status.APPROVED: "completed",
    Ticket.Status.REJECTED: "completed",
    Ticket.Status.ANSWERED: "completed",
    Ticket.Status.EXPIRED: "expired",
    Ticket.Status.CANCELLED: "cancelled",
    # Whoever reads "completed" goes on, and a revoked decision is nothing to go on with.
    Ticket.Status.REVOKED: "cancelled",
}


def is_called(user: User, name: str) -> bool:
    """Tell whether a name in an address or body is this user: their id or their user name."""
    return name in (str(user.pk), user.get_username())


def state_of(ticket: Ticket) -> str:
    """Return the state of an interaction: pending, completed, expired or cancelled."""
    return _STATES[Ticket.Status(ticket.status)]


def interaction_state(ticket: Ticket) -> dict[str, Any]:
    """Return where an interaction stands; no query is made."""
    return {
        "interaction_id": str(ticket.pk),
        "status": state_of(ticket),
        "created_at": iso(ticket.created_at),
        "expires_at": iso(ticket.expires_at),
    }


def interaction(ticket: Ticket) -> dict[str, Any]:
    """Return an interaction with its form and what it is about; no query is made.

    The form is the caller's own where one was sent, else it is made of the frozen question.
    """
    form = ticket.interaction.get("ui_schema")
    return {
        **interaction_state(ticket),
        "ui_schema": form or ui_schema_of(question_of(ticket.decision), preset=ticket.preset),
        "data": ticket.proposal or ticket.pipeline.get("state") or {},
        "version": ticket.version,
    }
