"""What is done to one ticket: resubmit, cancel, revoke, review, acknowledge."""

from functools import partial
from typing import ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from approvals.api.schema import IDEMPOTENCY_KEY, describe, sent
from approvals.api.views import SUBMIT, VOTE
from reviews.api import shapes
from reviews.api.answers import Json, links, ticket_whole
from reviews.api.base import TicketPage
from reviews.api.requests import (
    NothingRequest,
    ReasonRequest,
    TicketResubmitRequest,
    proposed_title,
    shaped,
)
from reviews.models import Ticket
from reviews.services.idempotency import Reply
from reviews.services.second_looks import request_review
from reviews.services.tickets import (
    cancel_ticket,
    resubmit_ticket,
    revoke_ticket,
    see_revocation,
)

# How what is done to one ticket, once per `Idempotency-Key`, is described.
_act = partial(
    describe,
    tag="tickets",
    answers={200: shapes.TicketAnswer},
    problems=[409],
    parameters=[IDEMPOTENCY_KEY],
)


class TicketResubmitPage(TicketPage):
    """A new round of a ticket."""

    scopes: ClassVar[dict[str, str]] = {"POST": SUBMIT}

    @_act(
        "tickets_resubmit",
        "Put changed content to a new round",
        request=TicketResubmitRequest,
        problems=[409, 412],
        examples=[sent("Cheaper", {"proposal": {"business_count": 900, "total_cost": 95}})],
    )
    def post(self, request: Request, identifier: str) -> Response:  # noqa: ARG002
        """Open the next round; earlier votes do not count for it."""
        given = self.given(TicketResubmitRequest)
        ticket = self.found(identifier)
        version = self.seen_version(given)
        proposal = given.pop("proposal")

        def do() -> Reply:
            changed = resubmit_ticket(
                ticket_id=ticket.pk,
                requester=self.user,
                proposal=proposal,
                changes=changes_of(ticket, given, proposal),
                version=version,
            )
            headers = {"ETag": f'"{changed.version}"'}
            return Reply(200, ticket_whole(changed, self.user), headers)

        return self.once(do)


def changes_of(ticket: Ticket, given: Json, proposal: Json) -> Json:
    """Return the members that change with a new round, beside the proposal itself."""
    changes = {**given, **shaped(given)}
    changes.pop("ui_schema", None)
    title = changes.get("title") or proposed_title(proposal)
    if title:
        changes["title"] = title
        if ticket.summary == ticket.title:
            # The summary was the title; it goes along.
            changes.setdefault("summary", title)
    if "labels" in changes:
        changes["labels"] = tuple(dict.fromkeys(changes["labels"]))
    return changes


class TicketCancelPage(TicketPage):
    """A ticket nobody needs an answer to any more."""

    scopes: ClassVar[dict[str, str]] = {"POST": SUBMIT}

    @_act(
        "tickets_cancel",
        "Stop a ticket",
        request=ReasonRequest,
        examples=[sent("A reason", {"reason": "Bought elsewhere."})],
    )
    def post(self, request: Request, identifier: str) -> Response:  # noqa: ARG002
        """Cancel the ticket; cancelling twice changes nothing."""
        reason = self.given(ReasonRequest).get("reason", "")
        return self.acted(
            identifier, lambda one: cancel_ticket(ticket_id=one.pk, by=self.user, reason=reason)
        )


class TicketRevokePage(TicketPage):
    """A final decision that is taken back."""

    scopes: ClassVar[dict[str, str]] = {"POST": VOTE}

    @_act(
        "tickets_revoke",
        "Take a final decision back",
        request=ReasonRequest,
        examples=[sent("A reason", {"reason": "The price changed."})],
        description="Within its window, by somebody whose vote counted or who may override.",
    )
    def post(self, request: Request, identifier: str) -> Response:  # noqa: ARG002
        """Revoke the decision, unless its receipt was consumed."""
        reason = self.given(ReasonRequest).get("reason", "")
        return self.acted(
            identifier, lambda one: revoke_ticket(ticket_id=one.pk, by=self.user, reason=reason)
        )


class TicketReviewPage(TicketPage):
    """A person's look at what no person decided."""

    scopes: ClassVar[dict[str, str]] = {"POST": SUBMIT}

    @_act(
        "tickets_request_review",
        "Have a person look at what was decided without one",
        request=ReasonRequest,
        answers={200: shapes.TicketAnswer, 201: shapes.TicketAnswer},
        examples=[sent("A reason", {"reason": "I do not agree with the refusal."})],
        description="For what a rule, a switch, a bypass or silence decided: by who opened it, "
        "whom it concerns, their manager, or a lead. People are asked in a ticket of its own, "
        "whose `previous` is this one; this one stays as it is. Asking again answers 200 with the "
        "same ticket.",
    )
    def post(self, request: Request, identifier: str) -> Response:  # noqa: ARG002
        """Open the ticket in which people look at it."""
        reason = self.given(ReasonRequest).get("reason", "")
        ticket = self.found(identifier)

        def do() -> Reply:
            asked, new = request_review(ticket_id=ticket.pk, by=self.user, reason=reason)
            headers = {"Location": links(asked)["self"], "ETag": f'"{asked.version}"'}
            return Reply(201 if new else 200, ticket_whole(asked, self.user), headers)

        return self.once(do)


class TicketAcknowledgePage(TicketPage):
    """A revocation its requester knows of."""

    scopes: ClassVar[dict[str, str]] = {"POST": SUBMIT}

    @_act(
        "tickets_acknowledge",
        "Acknowledge a revocation",
        request=NothingRequest,
        description="Says that you act on the approval no more, or undid what you did.",
    )
    def post(self, request: Request, identifier: str) -> Response:  # noqa: ARG002
        """Note that the requester knows; acknowledging twice changes nothing."""
        self.given(NothingRequest)
        return self.acted(identifier, lambda one: see_revocation(ticket_id=one.pk, by=self.user))
