"""Open tickets, one or many, list and read them."""

from collections import Counter
from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from approvals.api.fields import shown
from approvals.api.schema import IDEMPOTENCY_KEY, describe, sent
from approvals.api.views import READ, SUBMIT, ApiView
from approvals.errors import Invalid, Refusal, RegionNotYours
from approvals.models import User
from audit.clock import db_now
from reviews.api import shapes
from reviews.api.answers import SHOWN, Json, links, policy, ticket_row, ticket_whole
from reviews.api.base import TicketPage, opening_once, refuse_flood, with_version
from reviews.api.requests import (
    CreateQuery,
    ExpandQuery,
    TicketBulkRequest,
    TicketCreateRequest,
    TicketQuery,
    ticket_request,
)
from reviews.models import Assignment, Lane, Region, Ticket
from reviews.polls import poll_on
from reviews.representation import iso, ticket_allowed
from reviews.services.bulk import open_tickets, tried_ticket
from reviews.services.idempotency import Reply
from reviews.services.requests import TicketRequest
from reviews.services.tickets import (
    open_ticket,
)

MOST_AT_ONCE = 500

_EXAMPLES = [
    sent(
        "A purchase",
        {
            "title": "Buy 1200 business records",
            "proposal": {"business_count": 1200, "total_cost": 180},
            "reference": "purchase-17",
            "ai": {"prediction": "buy", "confidence": 0.71},
            "priority": "high",
        },
    ),
    sent("The least", {"title": "Publish the note?"}),
]


class TicketsPage(ApiView):
    """All tickets the caller may see, and new ones."""

    scopes: ClassVar[dict[str, str]] = {"GET": READ, "POST": SUBMIT}

    @describe(
        "tickets_list",
        "List tickets, newest first",
        tag="tickets",
        lists=shapes.TicketListAnswer,
        parameters=[TicketQuery],
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Answer one page of the tickets the caller may see."""
        rows = self._asked_for(self.asked(TicketQuery))
        return self.page(rows, lambda ticket: ticket_row(ticket, self.user), query=TicketQuery)

    @describe(
        "tickets_create",
        "Open a ticket",
        tag="tickets",
        request=TicketCreateRequest,
        answers={201: shapes.TicketAnswer, 200: shapes.DryRunAnswer},
        problems=[409],
        parameters=[CreateQuery, IDEMPOTENCY_KEY],
        examples=_EXAMPLES,
        description="The checkpoint's rules pass it, refuse it or ask people. With "
        "`dry_run=true` nothing is stored; the answer says what the rules would do.",
    )
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Open a ticket, once per `Idempotency-Key`."""
        refuse_flood(self)
        if self.asked(CreateQuery).get("dry_run") == "true":
            return Response(tried(self, ticket_request(self.given(TicketCreateRequest))))
        return opened(self, ticket_request(self.given(TicketCreateRequest)))

    def _asked_for(self, asked: Json) -> QuerySet[Ticket]:
        lanes = [] if self.user.is_machine else list(Lane.objects.open_to(self.user))
        tickets = Ticket.objects.visible_to(self.user, lanes=lanes).select_related(*SHOWN)
        if "status" in asked:
            tickets = tickets.filter(status__in=asked["status"])
        if "priority" in asked:
            tickets = tickets.filter(priority__in=asked["priority"])
        if "checkpoint" in asked:
            tickets = tickets.filter(checkpoint__slug=asked["checkpoint"])
        if "region" in asked:
            tickets = tickets.filter(region=region_called(asked["region"], self.user))
        if "created_after" in asked:
            tickets = tickets.filter(created_at__gt=asked["created_after"])
        if "assignee" in asked:
            held = Assignment.objects.in_force(db_now()).filter(person=self.user)
            tickets = tickets.filter(pk__in=held.values("ticket"))
        if "q" in asked:
            tickets = tickets.filter(_mentions(asked["q"]))
        return tickets


def region_called(name: str, user: User) -> Region:
    """Return a region that may be named by this user: one of theirs, or any for who sees all.

    :raises Refusal: RegionNotYours, also for one that is not there; Invalid for who sees all.
    """
    region = Region.objects.filter(Q(slug__iexact=name) | Q(name__iexact=name)).first()
    everywhere = user.is_machine or user.has_perm("reviews.view_any_ticket")
    if not everywhere and (region is None or not region.people.filter(pk=user.pk).exists()):
        raise RegionNotYours
    if region is None:
        message = "There is no such region."
        raise Invalid(errors=[{"parameter": "region", "message": message}])
    return region


def tried(page: ApiView, request: TicketRequest) -> Json:
    """Return what opening a ticket for the page's caller would do; nothing of it stays.

    :raises Refusal: as opening it would.
    """
    with tried_ticket(requester=page.user, key=page.key, request=request) as ticket:
        decision = ticket.decision
        poll = poll_on(ticket)
        waiting = decision.settled_at is None
        counted = poll.tally(with_remaining=waiting)
        return {
            "dry_run": True,
            "then": "ask" if waiting else "allow" if decision.effect == "allow" else "deny",
            "status": ticket.status,
            "allowed": ticket_allowed(ticket, decision),
            "rule": ticket.rule,
            "priority": ticket.priority,
            "risk": ticket.risk,
            "queue": ticket.queue.slug,
            "policy": policy(decision.policy, decision.question),
            "needed": counted.needed,
            "eligible": counted.eligible_left,
            "due_at": iso(ticket.due_at),
            "expires_at": iso(ticket.expires_at),
        }


def opened(page: ApiView, request: TicketRequest) -> Response:
    """Open a ticket for the page's caller, and answer it."""

    def do() -> Reply:
        ticket = open_ticket(requester=page.user, key=page.key, request=request)
        headers = {"Location": links(ticket)["self"], "ETag": f'"{ticket.version}"'}
        return Reply(201, ticket_whole(ticket, page.user), headers)

    return opening_once(page, do)


def _mentions(text: str) -> Q:
    found = Q(title__icontains=text) | Q(summary__icontains=text) | Q(reference__icontains=text)
    number = text.upper().removeprefix("T-")
    if number.isascii() and number.isdigit() and len(number) <= 18:
        found |= Q(ref=int(number))
    return found


class TicketBulkPage(ApiView):
    """Many new tickets."""

    scopes: ClassVar[dict[str, str]] = {"POST": SUBMIT}

    @describe(
        "tickets_bulk_create",
        "Open up to 500 tickets",
        tag="tickets",
        request=TicketBulkRequest,
        answers={200: shapes.BulkAnswer},
        problems=[409],
        parameters=[CreateQuery, IDEMPOTENCY_KEY],
        examples=[sent("Two", {"tickets": [{"title": "One"}, {"title": "Two"}]})],
        description="Each is answered for itself, in order. A list without `tickets` is taken too. "
        "With `dry_run=true` nothing is stored; each is told what it `would` come to.",
    )
    def post(self, request: Request) -> Response:
        """Open many tickets; one that is refused does not keep the others back."""
        refuse_flood(self)
        rows = self._rows(request.data)
        if self.asked(CreateQuery).get("dry_run") == "true":
            return Response(self._told([self._tried(self._read(row)) for row in rows]))

        def do() -> Reply:
            asked = [self._read(row) for row in rows]
            done = open_tickets(requester=self.user, key=self.key, requests=asked)
            return Reply(200, self._told([self._result(one) for one in done]))

        return opening_once(self, do)

    @staticmethod
    def _rows(data: Any) -> list[Any]:
        if isinstance(data, dict):
            strangers = [name for name in data if name != "tickets"]
            if strangers and "tickets" in data:
                message = "Known here is `tickets`; what else a ticket says stands inside it."
                raise Invalid(
                    errors=[{"pointer": f"/{shown(n)}", "message": message} for n in strangers]
                )
            data = data.get("tickets")
        if not isinstance(data, list) or not 1 <= len(data) <= MOST_AT_ONCE:
            message = f"Send `tickets`: a list of 1 to {MOST_AT_ONCE} tickets."
            raise Invalid.at("/tickets", message)
        return data

    def _read(self, row: Any) -> TicketRequest | Refusal:
        reader = TicketCreateRequest(data=row)
        try:
            reader.is_valid(raise_exception=True)
            return ticket_request(dict(reader.validated_data))
        except serializers.ValidationError as problem:
            answer = self.get_exception_handler()(problem, {"request": self.request})
            assert answer is not None
            return Invalid(errors=answer.data["errors"])
        except Refusal as refusal:
            return refusal

    def _tried(self, one: TicketRequest | Refusal) -> Json:
        if isinstance(one, TicketRequest):
            try:
                return {"status": 200, "would": tried(self, one)}
            except Refusal as refusal:
                one = refusal
        return self._result(one)

    @staticmethod
    def _told(results: list[Json]) -> Json:
        count = Counter(one["status"] for one in results)
        fine = count[200] + count[201]
        return {"opened": count[201], "refused": len(results) - fine, "results": results}

    def _result(self, one: Ticket | Refusal) -> Json:
        if isinstance(one, Ticket):
            return {"status": 201, "ticket": ticket_row(one)}
        body = {"code": one.code, "detail": one.detail, "errors": one.errors, **one.extra}
        return {"status": one.status, "problem": {"status": one.status, **body}}


class TicketDetailPage(TicketPage):
    """One ticket."""

    scopes: ClassVar[dict[str, str]] = {"GET": READ}

    @describe(
        "tickets_read",
        "Read a ticket",
        tag="tickets",
        answers={200: shapes.TicketAnswer},
        parameters=[
            ExpandQuery,
            OpenApiParameter(
                "Prefer",
                str,
                OpenApiParameter.HEADER,
                description="`wait=N` (≤ 50 s): answer as soon as it is no longer pending.",
            ),
        ],
        description="`{id}` is the id, the ref (`T-1042`) or the caller's own reference. `ETag` "
        "is the version, for `If-Match`.",
    )
    def get(self, request: Request, identifier: str) -> Response:  # noqa: ARG002
        """Answer one ticket."""
        asked = self.asked(ExpandQuery)
        ticket = self.found(identifier)
        expand = sorted(asked.get("expand", ()))
        return with_version(Response(ticket_whole(ticket, self.user, expand=expand)), ticket)
