"""What may be done around a vote on a ticket's page: escalate, assign, try a sample mail."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from approvals.errors import NotVisible
from approvals.models import User
from audit.clock import db_now, shown_now
from reviews.actions import available_actions, poll_before
from reviews.admin.ticket_page import TicketPage, next_ticket
from reviews.display import views
from reviews.models import Ticket
from reviews.services.assignments import assign_ticket
from reviews.services.balance import assign_to_least_loaded
from reviews.services.escalations import escalate_ticket
from reviews.services.lookup import find_ticket
from reviews.services.seats import GIVES, people_asked
from reviews.services.test_mails import send_test_mail


@dataclass(frozen=True, slots=True)
class Around:
    """What the page offers beside an answer; empty parts are not offered."""

    escalate_to: str
    people: list[User]
    samples: tuple[views.Sample, ...]


def around(page: TicketPage) -> Around:
    """Return what one person may do around the vote."""
    can, ticket = page.card.can, page.ticket
    gives = "assign" in can and page.user.has_perm(GIVES)
    return Around(
        escalate_to=ticket.escalation_steps[0][1] if "escalate" in can else "",
        people=people_asked(ticket, now=page.now) if gives else [],
        samples=views.sample_mails(page.content, ticket.checkpoint.view)
        if "test-mail" in can
        else (),
    )


def acts_around(
    request: HttpRequest, ticket: Ticket, user: User
) -> dict[str, Callable[[], object]]:
    """Return what the page's forms around the vote do, by the name each form sends."""
    sent = request.POST
    reason = sent.get("reason", "").replace("\r\n", "\n")
    sample = sent.get("sample", "")
    return {
        "escalate": lambda: escalate_ticket(ticket_id=ticket.pk, by=user, reason=reason),
        "assign": lambda: assign_to(
            ticket, person=sent.get("person", "")[:150], by=user, note=reason
        ),
        "test-mail": lambda: send_test_mail(
            ticket_id=ticket.pk,
            by=user,
            sample=_number(sample),
            only_me=sent.get("to") != "asked",
        ),
    }


def assign_to(ticket: Ticket, *, person: str, by: User, note: str) -> None:
    """Give a ticket to the person a form names; `*`, which is no name, is who has least to do.

    :raises Refusal: as the services do.
    """
    if person == "*":
        assign_to_least_loaded(ticket_id=ticket.pk, by=by, note=note)
    else:
        assign_ticket(ticket_id=ticket.pk, person=person, by=by, note=note)


def onward(ticket: Ticket, user: User, *, done: bool = False) -> str:
    """Return the address of the next ticket, or of the queue after the last.

    :param done: tell there what was decided here.
    """
    following = next_ticket(user, besides=ticket, now=shown_now())
    told = f"?done={ticket.pk}" if done else ""
    if following is not None:
        return reverse("admin:reviews_ticket_change", args=[following.pk]) + told
    return reverse("admin:reviews_ticket_changelist") + (told or "?nothing=1")


def told_before(request: HttpRequest, user: User) -> dict[str, Any]:
    """Return what the page tells of the one before: a vote, or test mails on their way."""
    return {"done": done_before(request, user), "sent": _number(request.GET.get("sent", ""))}


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0


def done_before(request: HttpRequest, user: User) -> dict[str, Any] | None:
    """Return what was decided on the page before, where somebody goes on from ticket to ticket."""
    name = str(request.GET.get("done", ""))
    if not name:
        return None
    try:
        ticket = find_ticket(name, user=user)
    except NotVisible:
        return None
    can, _ = available_actions(poll_before(ticket, user, now=db_now()), ticket, user)
    settled = ticket.decision.settled_at is not None
    holding = settled and ticket.status == Ticket.Status.PENDING
    return {
        "ticket": ticket,
        "word": ticket.get_status_display() if not holding else "Decided",
        "settled": settled,
        "in_effect_at": ticket.decision.final_at if holding else None,
        "take_back": "withdraw" in can,
        "revoke_until": ticket.decision.revocable_until if "revoke" in can else None,
        "page": reverse("admin:reviews_ticket_change", args=[ticket.pk]),
    }
