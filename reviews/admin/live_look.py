"""What a page of the desk asks for when something changed: what to mark on it, never to move."""

from typing import Any

from django.http import HttpRequest

from approvals.models import User
from reviews.admin.queue import PAGE, QueuePage
from reviews.admin.rows import Row, for_rows, row_of
from reviews.display import inert
from reviews.models import Ticket
from reviews.presence import viewers
from reviews.services.lookup import as_uuid
from reviews.templatetags.desk import initials

_UNSEEN = {"gone": True, "icon": "no", "tone": "", "word": "Not shown to you any more"}


def marks(request: HttpRequest, page: QueuePage) -> dict[str, Any]:
    """Return how the rows a list shows stand now, by id; `rows` names each with its version."""
    asked = request.GET.get("rows", "").split(",")[:PAGE]
    versions = {}
    for one in asked:
        name, _, version = one.partition(":")
        id_ = as_uuid(name)
        if id_ is not None:
            versions[id_] = version
    if not versions:
        return {}
    found = for_rows(page.seen.filter(pk__in=list(versions)))
    rows = {ticket.pk: row_of(ticket, now=page.now) for ticket in found}
    return {
        str(id_): mark(rows[id_], version) if id_ in rows else _UNSEEN
        for id_, version in versions.items()
    }


def mark(row: Row, version: str) -> dict[str, Any]:
    """Return what a row of this version shows at its right end now."""
    holder, chip = row.holder, row.chip
    told: dict[str, Any] = {"gone": not row.waits, "icon": chip.icon, "tone": chip.tone}
    told["word"] = chip.word
    told["holder"] = [initials(holder.label), inert.plain(holder.label)] if holder else None
    if row.waits and str(row.ticket.version) != version:
        told |= {"icon": "return", "tone": "warn", "word": "Changed", "changed": True}
    return told


def state_of(ticket: Ticket) -> str:
    """Return in one word what a ticket's page was made from."""
    settled = "settled" if ticket.decision.settled_at else "open"
    return f"{ticket.version}-{ticket.status}-{settled}"


def look(request: HttpRequest, ticket: Ticket, user: User) -> dict[str, str]:
    """Note that somebody has a ticket's page open; tell who else has, and what changed since."""
    leaving = request.POST.get("leave") == "1"
    others = viewers(ticket.pk, user, leaving=leaving)
    also = f"Also viewing: {', '.join(inert.plain(one) for one in others)}" if others else ""
    return {"also": also, "changed": _changed(ticket, request.POST.get("state", ""))}


def _changed(ticket: Ticket, before: str) -> str:
    if before == state_of(ticket) or not before:
        return ""
    if ticket.status != Ticket.Status.PENDING:
        return f"Meanwhile this ticket is {ticket.get_status_display().lower()}."
    if ticket.decision.settled_at:
        return "Meanwhile this was decided."
    if before.partition("-")[0] != str(ticket.version):
        return "The proposal changed meanwhile; what you see is how it was before."
    return "Meanwhile this is open again."
