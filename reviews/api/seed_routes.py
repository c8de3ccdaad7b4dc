"""Addresses of earlier designs, served by the same services, with the same rights and audit."""

from functools import partial
from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from approvals.api.fields import Choice, StrictSerializer, Text, Thing, Whole
from approvals.api.schema import IDEMPOTENCY_KEY, IF_MATCH, describe, sent
from approvals.api.views import READ, SUBMIT, VOTE, ApiView
from approvals.errors import Invalid, ReasonRequired, UserMismatch
from approvals.services.polls import question_of
from reviews.api import shapes
from reviews.api.answers import SHOWN, Json, ticket_row
from reviews.api.base import TicketPage, refuse_flood
from reviews.api.me import pending_for
from reviews.api.requests import (
    PROPOSAL_MOST,
    SMALL,
    ExpandQuery,
    TicketCreateRequest,
    ticket_request,
)
from reviews.api.seed_votes import MEANT, option_meant, told_as, vote_of
from reviews.api.tickets import TicketDetailPage, opened, region_called
from reviews.forms.ui_fields import AMENDMENTS, DECISION, REASONS
from reviews.interactions import interaction, interaction_state, is_called
from reviews.models import Ticket
from reviews.services.votes import VoteAnswer, cast_vote

# These lists have no pages: the oldest so many; `/api/v1/me/pending` has all of them.
MOST_LISTED = 500


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
        refuse_flood(self)
        return opened(self, ticket_request(self.given(TicketCreateRequest, _split(request.data))))


def _split(data: Any) -> dict[str, Any]:
    """Return a bare proposal as a ticket: known members stay, the others are the proposal's."""
    if not isinstance(data, dict):
        raise Invalid.at("", "This must be an object.")
    known = set(TicketCreateRequest().fields)
    ticket = {name: value for name, value in data.items() if name in known}
    others = {name: value for name, value in data.items() if name not in known}
    proposal = ticket.get("proposal", {})
    if not others or not isinstance(proposal, dict):
        return ticket
    twice = sorted(others.keys() & proposal.keys())
    if twice:
        message = "This stands inside `proposal` as well; which one counts would be a guess."
        raise Invalid.at(f"/{twice[0][:64]}", message)
    return {**ticket, "proposal": {**proposal, **others}}


class SeedTicketPage(TicketDetailPage):
    """One ticket."""

    @describe(
        "seed_tickets_read",
        "Read a ticket",
        tag="compatibility",
        answers={200: shapes.TicketAnswer},
        parameters=[ExpandQuery],
    )
    def get(self, request: Request, identifier: str) -> Response:
        """Answer one ticket."""
        return super().get(request, identifier)


# --- Interactions -------------------------------------------------------------------------------
class RespondRequest(StrictSerializer):
    """A person's answer to an interaction."""

    interaction_id = Text(max_length=200)
    user_input = Thing(most=SMALL)
    user_id = serializers.JSONField(required=False, allow_null=True)
    version = Whole(required=False, allow_null=True, min_value=1, max_value=2**31 - 1)

    def validate_user_id(self, value: Any) -> str:
        """Take an id as a number or as text; nobody named is nobody else."""
        if value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise serializers.ValidationError("Send an id or a user name.")
        return str(value)


class PendingInteractionsPage(ApiView):
    """What waits for the caller, as forms."""

    scopes: ClassVar[dict[str, str]] = {"GET": READ}

    @describe(
        "seed_pending_list",
        "What waits for me, the oldest first",
        tag="compatibility",
        answers={200: shapes.InteractionAnswer(many=True)},
        description="`user_id` is the caller's own id or user name. At most "
        f"{MOST_LISTED} are listed.",
    )
    def get(self, request: Request, user_id: str) -> Response:  # noqa: ARG002
        """Answer the interactions that wait for the caller."""
        if not is_called(self.user, user_id):
            raise UserMismatch
        waiting = pending_for(self.user).select_related("decision", "checkpoint")
        rows = waiting.order_by("created_at", "pk")[:MOST_LISTED]
        return Response([interaction(ticket, self.user) for ticket in rows])


class InteractionStatusPage(TicketPage):
    """Where one interaction stands."""

    scopes: ClassVar[dict[str, str]] = {"GET": READ}

    @describe(
        "seed_status_read",
        "Where an interaction stands",
        tag="compatibility",
        answers={200: shapes.InteractionStateAnswer},
    )
    def get(self, request: Request, identifier: str) -> Response:  # noqa: ARG002
        """Answer the state of an interaction."""
        return Response(interaction_state(self.found(identifier)))


class SeedVotePage(TicketPage):
    """A vote in the words of an earlier design."""

    scopes: ClassVar[dict[str, str]] = {"POST": VOTE}

    def cast(self, ticket: Ticket, given: Json, vote: Json) -> VoteAnswer:
        """Vote; without a version, only on a ticket that is still as it was first sent."""
        version = self.seen_version(given)
        return cast_vote(
            ticket_id=ticket.pk,
            voter=self.user,
            version=1 if version is None else version,
            confirmed=self.confirmed(given),
            **vote,
        )


class RespondPage(SeedVotePage):
    """An answer to an interaction."""

    @describe(
        "seed_respond_create",
        "Answer an interaction",
        tag="compatibility",
        request=RespondRequest,
        answers={200: shapes.AcceptedAnswer},
        problems=[404, 409, 412],
        parameters=[IF_MATCH],
        examples=[
            sent(
                "A review",
                {
                    "interaction_id": "T-1042",
                    "user_input": {"decision": "approve", "feedback": "Clear now."},
                    "version": 1,
                },
            ),
            sent("A form", {"interaction_id": "T-1042", "user_input": {"total": 1840}}),
        ],
        description="`decision` in `user_input` names the option, `submit` without one; the rest "
        "is the response. Without `version` a ticket is answered only while it is at version 1.",
    )
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Take the caller's answer as their vote."""
        given = self.given(RespondRequest)
        named = given.pop("user_id", "")
        if named and not is_called(self.user, named):
            raise UserMismatch
        ticket = self.found(given["interaction_id"])
        with told_as(
            {
                "/choice": f"/user_input/{DECISION}",
                "/response": "/user_input",
                "/reason": f"/user_input/{REASONS[-1]}",
                "/amendments": f"/user_input/{AMENDMENTS}",
            }
        ):
            answer = self.cast(
                ticket, given, vote_of(question_of(ticket.decision), given["user_input"])
            )
        status = answer.ticket.get_status_display().lower()
        message = f"Your answer counts; the ticket is {status}."
        return Response({"status": "accepted", "message": message})


# --- Proposals ----------------------------------------------------------------------------------
class RegionQuery(StrictSerializer):
    """Which region."""

    region = Text(max_length=80)


class OverrideRequest(StrictSerializer):
    """A person's decision on a proposal."""

    id = serializers.JSONField()
    decision = Choice([*MEANT])
    comments = Text(max_length=4000, required=False, lines=True, allow_blank=True, default="")
    adjustments = Thing(most=PROPOSAL_MOST, required=False, allow_null=True)
    version = Whole(required=False, allow_null=True, min_value=1, max_value=2**31 - 1)

    def validate_id(self, value: Any) -> str:
        """Take an id as a number or as text."""
        if isinstance(value, bool) or not isinstance(value, str | int) or len(str(value)) > 200:
            raise serializers.ValidationError("Send the id of a proposal.")
        return str(value)


# Each is served at two addresses, under a name of its own.
_proposals = partial(
    describe,
    summary="What is pending in a region, the oldest first",
    tag="compatibility",
    answers={200: shapes.TicketListAnswer(many=True)},
    parameters=[RegionQuery],
)
_override = partial(
    describe,
    summary="Decide on a proposal",
    tag="compatibility",
    request=OverrideRequest,
    answers={200: shapes.DoneAnswer},
    problems=[404, 409, 412],
    parameters=[IF_MATCH],
)


class HmsProposalsPage(ApiView):
    """What is pending in a region."""

    scopes: ClassVar[dict[str, str]] = {"GET": READ}

    @_proposals(
        "hms_proposals_list",
        description=f"At most {MOST_LISTED} are listed; `/api/v1/tickets` has pages.",
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Answer the tickets that wait in a region of the caller's."""
        region = region_called(self.asked(RegionQuery)["region"], self.user)
        waiting = Ticket.objects.visible_to(self.user).waiting().filter(region=region)
        rows = waiting.select_related(*SHOWN).order_by("created_at", "pk")[:MOST_LISTED]
        return Response([ticket_row(ticket, self.user) for ticket in rows])


class HmsOverridePage(SeedVotePage):
    """A decision on a proposal."""

    @_override(
        "hms_override_create",
        examples=[
            sent("Approve", {"id": "T-1042", "decision": "approve", "comments": "Fine."}),
            sent(
                "Approve with changes",
                {
                    "id": "T-1042",
                    "decision": "adjust",
                    "comments": "Two inspectors are ill.",
                    "adjustments": {"inspectors": 3},
                    "version": 1,
                },
            ),
        ],
        description="A vote like any other. `veto` and `adjust` need `comments`. Without "
        "`version` a proposal is decided only while it is at version 1.",
    )
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Take the caller's decision as their vote."""
        given = self.given(OverrideRequest)
        if given["decision"] != "approve" and not given["comments"].strip():
            raise ReasonRequired.at("/comments", "Say why.")
        ticket = self.found(given["id"])
        vote = {
            "choice": option_meant(question_of(ticket.decision), given["decision"]),
            "reason": given["comments"],
            "amendments": given.get("adjustments"),
        }
        pointers = {"/choice": "/decision", "/reason": "/comments", "/amendments": "/adjustments"}
        with told_as(pointers):
            self.cast(ticket, given, vote)
        return Response({"status": "ok"})


class InterfaceProposalsPage(HmsProposalsPage):
    """The same list under the other address."""

    @_proposals("interface_proposals_list")
    def get(self, request: Request) -> Response:
        """Answer the tickets that wait in a region of the caller's."""
        return super().get(request)


class InterfaceOverridePage(HmsOverridePage):
    """The same decision under the other address."""

    @_override(
        "interface_override_create",
        examples=[sent("Approve", {"id": "T-1042", "decision": "approve"})],
    )
    def post(self, request: Request) -> Response:
        """Take the caller's decision as their vote."""
        return super().post(request)
