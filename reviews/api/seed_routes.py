"""Addresses of earlier designs, served by the same services, with the same rights and audit."""

from typing import Any, ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from approvals.api.schema import IDEMPOTENCY_KEY, describe, sent
from approvals.api.views import SUBMIT, ApiView
from approvals.errors import Invalid
from reviews.api import shapes
from reviews.api.requests import TicketCreateRequest, ticket_request
from reviews.api.tickets import TicketDetailPage, opened


class SeedTicketsPage(ApiView):
    """New tickets from a bare proposal."""

    scopes: ClassVar[dict[str, str]] = {"POST": SUBMIT}

    @describe(
        "seed_tickets_create",
        "Open a ticket from a bare proposal",
        tag="compatibility",
        request={"application/json": {"type": "object", "additionalProperties": {}}},
        answers={201: shapes.TicketAnswer},
        problems=[409],
        parameters=[IDEMPOTENCY_KEY],
        examples=[sent("A bare proposal", {"title": "Longer loans", "detail": "5 to 7 years."})],
        description="Members that are none of a ticket's go into `proposal`.",
    )
    def post(self, request: Request) -> Response:
        """Open a ticket; what a ticket does not know belongs to the proposal."""
        return opened(self, ticket_request(self.given(TicketCreateRequest, _split(request.data))))


def _split(data: Any) -> dict[str, Any]:
    """Return a bare proposal as a ticket: known members stay, the others are the proposal's."""
    if not isinstance(data, dict):
        raise Invalid(errors=[{"pointer": "", "message": "This must be an object."}])
    known = set(TicketCreateRequest().fields)
    ticket = {name: value for name, value in data.items() if name in known}
    others = {name: value for name, value in data.items() if name not in known}
    proposal = ticket.get("proposal", {})
    if not others or not isinstance(proposal, dict):
        return ticket
    twice = sorted(others.keys() & proposal.keys())
    if twice:
        message = "This stands inside `proposal` as well; which one counts would be a guess."
        raise Invalid(errors=[{"pointer": f"/{twice[0][:64]}", "message": message}])
    return {**ticket, "proposal": {**proposal, **others}}


class SeedTicketPage(TicketDetailPage):
    """One ticket."""

    @describe(
        "seed_tickets_read",
        "Read a ticket",
        tag="compatibility",
        answers={200: shapes.TicketAnswer},
    )
    def get(self, request: Request, identifier: str) -> Response:
        """Answer one ticket."""
        return super().get(request, identifier)
