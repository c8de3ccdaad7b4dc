"""What agents asked for on one person's behalf, and what they asked for themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from approvals.answers import check_plain
from approvals.errors import Refusal
from approvals.models import Decision, User
from audit.clock import db_now
from reviews.admin.pages import desk_page
from reviews.admin.rows import Chip, for_rows, row_of
from reviews.models import Ticket
from reviews.services.tickets import cancel_ticket

PAGE = 30
_OPEN = (Ticket.Status.PENDING, Ticket.Status.NEEDS_CHANGES)


@dataclass(frozen=True, slots=True)
class Request:
    """One request as its person sees it."""

    ticket: Ticket
    chip: Chip
    amount: str
    holder: User | None
    answer: str
    reason: str
    by: str
    may_cancel: bool


@require_http_methods(["GET", "HEAD", "POST"])
def my_requests(request: HttpRequest) -> HttpResponse:
    """Show what was asked for this person, or cancel one of them.

    Also for people without a place at the desk: what an agent does for them concerns them.
    """
    user = request.user
    if not isinstance(user, User) or not user.is_active or user.is_machine:
        login = reverse("admin:login")
        return HttpResponseRedirect(f"{login}?next={request.path}")
    banner = ""
    if request.method == "POST":
        try:
            _cancel(request, user)
        except Refusal as refusal:
            banner = refusal.detail
        else:
            return HttpResponseRedirect(request.path)
    return desk_page(
        request, "requests.html", _context(request, user, banner), status=409 if banner else 200
    )


def of_person(user: User) -> Q:
    """Return what makes a ticket one's own request: asked by or for this person."""
    return Q(requester=user) | Q(beneficiary=user)


def _cancel(request: HttpRequest, user: User) -> None:
    try:
        name = UUID(request.POST.get("ticket", ""))
    except ValueError:
        raise Http404("There is no such request.") from None
    reason = request.POST.get("reason", "").replace("\r\n", "\n")[:4000]
    check_plain(reason, at="/reason")
    ticket = Ticket.objects.filter(of_person(user), pk=name).first()
    if ticket is None:
        raise Http404("There is no such request.")
    cancel_ticket(ticket_id=ticket.pk, by=user, reason=reason)


def _context(request: HttpRequest, user: User, banner: str) -> dict[str, object]:
    now = db_now()
    tickets = Ticket.objects.filter(of_person(user)).order_by("-pk")
    try:
        tickets = tickets.filter(pk__lt=UUID(hex=str(request.GET.get("after", ""))))
    except ValueError:
        pass  # the first page
    found = list(for_rows(tickets)[: PAGE + 1])
    voters = {vote.voter_id for ticket in found for vote in ticket.decision.votes.all()}
    people = User.objects.in_bulk(voters)
    requests = [_request(ticket, people, now) for ticket in found[:PAGE]]
    return {
        "title": "My requests",
        "now": now,
        "banner": banner,
        "open": [one for one in requests if one.ticket.status in _OPEN],
        "closed": [one for one in requests if one.ticket.status not in _OPEN],
        "more": f"?after={found[PAGE - 1].pk.hex}" if len(found) > PAGE else "",
    }


def _request(ticket: Ticket, people: Mapping[int, User], now: datetime) -> Request:
    row, decision = row_of(ticket, now=now), ticket.decision
    labels = {option["key"]: option["label"] for option in decision.question["options"]}
    settled = decision.settled_at is not None
    by_people = settled and decision.by == Decision.By.VOTES
    deciding = [v.voter_id for v in decision.votes.all() if v.choice == decision.outcome]
    return Request(
        ticket=ticket,
        chip=row.chip,
        amount=row.amount,
        holder=row.holder,
        answer=labels.get(decision.outcome, decision.outcome) if settled else "",
        reason=decision.reason if by_people else "",
        by=", ".join(people[one].label for one in deciding) if by_people else "",
        may_cancel=ticket.status in _OPEN,
    )
