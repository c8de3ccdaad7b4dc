"""The caller: who they are, what waits for them, and what they asked for."""

from django.db.models import Q
from rest_framework.request import Request
from rest_framework.response import Response

from approvals import permissions
from approvals.api.paging import page_limit, read_cursor, unknown_cursor, write_cursor
from approvals.api.schema import describe
from approvals.api.views import READ, ApiView, PageQuery
from approvals.models import Exclusion, User, Vote
from audit.clock import shown_now
from reviews.api import shapes
from reviews.api.answers import SHOWN, ticket_row
from reviews.models import Queue, Region, Ticket
from reviews.ordering import Cursor, waiting_page
from reviews.querysets import TicketQuerySet


class MePage(ApiView):
    """Who calls."""

    @describe("me_read", "Who am I?", tag="me", answers={200: shapes.MeAnswer})
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Answer what the caller is, and where they belong."""
        user = self.user
        roles = {
            role
            for used in permissions.roles_used_by(user, now=shown_now()).values()
            for role in used
        }
        queues = Queue.objects.filter(roles__in=roles).distinct()
        return Response(
            {
                "id": user.pk,
                "username": user.get_username(),
                "label": user.label,
                "kind": user.kind,
                "email": user.email or None,
                "time_zone": user.time_zone,
                "roles": sorted(user.groups.values_list("name", flat=True)),
                "regions": sorted(user.regions.values_list("slug", flat=True)),
                "queues": sorted(queues.values_list("slug", flat=True)),
                "domains": user.domains,
                "scopes": None if self.key is None else self.key.scopes,
            }
        )


class MyPendingPage(ApiView):
    """What waits for the caller."""

    scopes = {"GET": READ}

    @describe(
        "me_pending",
        "What waits for my vote, the most urgent first",
        tag="me",
        lists=shapes.TicketListAnswer,
    )
    def get(self, request: Request) -> Response:
        """Answer one page of the tickets the caller is asked about and has not voted on."""
        self.asked(PageQuery)
        limit = page_limit(request)
        cursor = request.query_params.get("cursor")
        page = waiting_page(
            self.user,
            now=shown_now(),
            after=_place(cursor) if cursor is not None else None,
            size=limit,
            asked=True,
            rows=pending_for(self.user).select_related(*SHOWN),
        )
        return Response(
            {
                "data": [ticket_row(ticket, self.user) for ticket in page.tickets],
                "next_cursor": None if page.after is None else write_cursor(str(page.after)),
            }
        )


def pending_for(user: User) -> TicketQuerySet:
    """Return the waiting tickets a person is asked about: not their own work, not voted on yet."""
    if user.is_machine:
        return Ticket.objects.none()
    now = shown_now()
    asked = Q(decision__in=permissions.decisions_appointing(user, now=now))
    for person, roles in permissions.roles_used_by(user, now=now).items():
        regions = Region.people.through.objects.filter(user=person).values("region")
        asked |= (
            Q(decision__policy__in=permissions.policies_open_to(roles))
            & (Q(region__isnull=True) | Q(region__in=regions))
            & (Q() if person == user.pk else _unanswered_by(person))
        )
    return Ticket.objects.visible_to(user).waiting().filter(asked, _unanswered_by(user.pk))


def _unanswered_by(person: int) -> Q:
    """Return what holds where a person's one vote is not cast, and which is not their own work."""
    voted = Vote.objects.filter(withdrawn_at__isnull=True).order_by()
    voted = voted.filter(Q(voter=person) | Q(principal=person))
    own_work = Exclusion.objects.filter(user=person)
    return ~Q(decision__in=voted.values("decision")) & ~Q(decision__in=own_work.values("decision"))


def _place(cursor: str) -> Cursor:
    try:
        return Cursor.read(read_cursor(cursor))
    except ValueError:
        raise unknown_cursor() from None


class MyRequestsPage(ApiView):
    """What the caller asked for."""

    scopes = {"GET": READ}

    @describe(
        "me_requests",
        "What I asked for, or was asked for on my behalf",
        tag="me",
        lists=shapes.TicketListAnswer,
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Answer one page of the caller's own tickets, newest first."""
        mine = Ticket.objects.filter(Q(requester=self.user) | Q(beneficiary=self.user))
        return self.page(mine.select_related(*SHOWN), ticket_row)
