"""What people do around a vote: skip, assign, escalate, answer many alike, try a mail."""

from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from approvals.api.fields import Choice, Instant, StrictSerializer, Text, Whole
from approvals.api.schema import describe, sent
from approvals.api.throttles import MINUTE
from approvals.api.views import VOTE, ApiView
from approvals.errors import TooMany
from approvals.models import User
from reviews.api import shapes
from reviews.api.answers import ticket_row
from reviews.api.base import TicketPage
from reviews.api.requests import NothingRequest, ReasonRequest
from reviews.api.votes import claimed
from reviews.services.assignments import assign_ticket
from reviews.services.balance import assign_to_least_loaded
from reviews.services.bulk_votes import MOST, Item, cast_bulk_votes
from reviews.services.escalations import escalate_ticket
from reviews.services.skips import skip_ticket
from reviews.services.test_mails import send_test_mail

# So many calls that vote on many tickets one person makes in a minute.
BULKS_A_MINUTE = 6


class AssignRequest(StrictSerializer):
    """Whom to give the ticket to."""

    person = Text(
        max_length=150,
        required=False,
        help_text="A user name or the digits of an id. Left out: who has least to do.",
    )
    until = Instant(required=False, help_text="Left out: until it is decided, or ten minutes.")
    note = Text(max_length=4000, required=False, lines=True, allow_blank=True)


class BulkVoteItemRequest(StrictSerializer):
    """One ticket, as it was seen."""

    id = Text(max_length=200, help_text="Its id, ref or reference.")
    version = Whole(min_value=1, max_value=2**31 - 1)


class BulkVotesRequest(StrictSerializer):
    """One answer to many tickets."""

    choice = Text(max_length=80)
    reason = Text(max_length=4000, required=False, lines=True, allow_blank=True)
    tickets = BulkVoteItemRequest(many=True, min_length=1, max_length=MOST)  # type: ignore[call-arg]


class TestMailRequest(StrictSerializer):
    """Which sample, and to whom."""

    __test__ = False  # no test, whatever its name begins with

    sample = Whole(min_value=1, max_value=20, required=False, help_text="Its place, from 1.")
    to = Choice(["asked", "me"], required=False)


class BulkVoteResultAnswer(serializers.Serializer[Any]):
    """What became of one vote."""

    id = serializers.CharField(help_text="As it was sent.")
    result = serializers.ChoiceField(
        ["done", "changed", "already-decided", "not-eligible", "needs-single-review",
         "not-found", "busy"]
    )  # fmt: skip
    detail = serializers.CharField(allow_null=True)
    ticket = shapes.TicketListAnswer(allow_null=True)


class BulkVotesAnswer(serializers.Serializer[Any]):
    """What became of each, in the order they were sent; the same ticket twice counts once."""

    done = serializers.IntegerField()
    results = BulkVoteResultAnswer(many=True)


class TestMailAnswer(serializers.Serializer[Any]):
    """What is on its way."""

    __test__ = False

    subject = serializers.CharField()
    people = serializers.IntegerField()


class SkipPage(TicketPage):
    """A ticket left for later."""

    scopes: ClassVar[dict[str, str]] = {"POST": VOTE}

    @describe(
        "tickets_skip",
        "Leave a ticket for later",
        tag="queues",
        request=NothingRequest,
        answers={200: shapes.TicketAnswer},
        problems=[409],
        description="`next` offers it to the caller last; a claim of theirs ends. Others see no "
        "change.",
    )
    def post(self, request: Request, identifier: str) -> Response:  # noqa: ARG002
        """Skip the ticket."""
        self.given(NothingRequest)
        ticket = self.found(identifier)
        return self.whole(skip_ticket(ticket_id=ticket.pk, person=self.user))


class AssignPage(TicketPage):
    """Who is to work on a ticket."""

    scopes: ClassVar[dict[str, str]] = {"POST": VOTE}

    @describe(
        "tickets_assign",
        "Give a ticket to somebody",
        tag="queues",
        request=AssignRequest,
        answers={200: shapes.ClaimAnswer},
        problems=[409],
        examples=[
            sent("To a colleague", {"person": "ana", "note": "You know the supplier."}),
            sent("To whoever has least to do", {}),
        ],
        description="To somebody who may decide it, by a lead or a manager, or to oneself. Without "
        "a `person` it goes to the one with the least to do among those who may decide it and know "
        "its `domain`. They are told by mail. 409 `claimed` while somebody else holds it, unless a "
        "manager or who gave it to them takes it away. It never blocks another's vote.",
    )
    def post(self, request: Request, identifier: str) -> Response:  # noqa: ARG002
        """Assign the ticket."""
        given = self.given(AssignRequest)
        ticket = self.found(identifier)
        if "person" in given:
            held = assign_ticket(ticket_id=ticket.pk, by=self.user, **given)
        else:
            note, until = given.get("note", ""), given.get("until")
            held = assign_to_least_loaded(ticket_id=ticket.pk, by=self.user, note=note, until=until)
        return claimed(self, held, ticket)


class EscalatePage(TicketPage):
    """More people asked."""

    scopes: ClassVar[dict[str, str]] = {"POST": VOTE}

    @describe(
        "tickets_escalate",
        "Ask one more role",
        tag="queues",
        request=ReasonRequest,
        answers={200: shapes.TicketAnswer},
        problems=[409],
        examples=[sent("A reason", {"reason": "Nobody here knows this supplier."})],
        description="The next role the question names for escalation is asked as well. It never "
        "decides anything.",
    )
    def post(self, request: Request, identifier: str) -> Response:  # noqa: ARG002
        """Escalate the ticket; it needs a reason."""
        reason = self.given(ReasonRequest).get("reason", "")
        ticket = self.found(identifier)
        return self.whole(escalate_ticket(ticket_id=ticket.pk, by=self.user, reason=reason))


class TestMailPage(TicketPage):
    """A sample e-mail, sent to those who decide on it."""

    __test__ = False
    scopes: ClassVar[dict[str, str]] = {"POST": VOTE}

    @describe(
        "tickets_test_mail",
        "Send a sample e-mail to those who may approve it",
        tag="tickets",
        request=TestMailRequest,
        answers={202: TestMailAnswer},
        problems=[409],
        examples=[sent("The second, to oneself", {"sample": 2, "to": "me"})],
        description="For proposals whose checkpoint lays a field out as sample e-mails. Marked "
        "`[Test]`; at most five an hour and ticket.",
    )
    def post(self, request: Request, identifier: str) -> Response:  # noqa: ARG002
        """Put the mails into the outbox."""
        given = self.given(TestMailRequest)
        ticket = self.found(identifier)
        on_its_way = send_test_mail(
            ticket_id=ticket.pk,
            by=self.user,
            sample=given.get("sample", 1),
            only_me=given.get("to") == "me",
        )
        return Response({"subject": on_its_way.subject, "people": on_its_way.people}, status=202)


class BulkVotesPage(ApiView):
    """One answer to many tickets."""

    scopes: ClassVar[dict[str, str]] = {"POST": VOTE}

    @describe(
        "votes_bulk",
        "Give many tickets of low risk the same answer",
        tag="votes",
        request=BulkVotesRequest,
        answers={200: BulkVotesAnswer},
        examples=[
            sent(
                "Approve two",
                {
                    "choice": "approve",
                    "reason": "As every month.",
                    "tickets": [{"id": "T-1042", "version": 1}, {"id": "T-1043", "version": 2}],
                },
            )
        ],
        description="Each is a vote of its own, in a transaction of its own, with a result of its "
        "own. What carries more than a low risk needs a single review. Six calls a minute.",
    )
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Take the votes."""
        given = self.given(BulkVotesRequest)
        limit_bulk(self.user)
        results = cast_bulk_votes(
            voter=self.user,
            choice=given["choice"],
            reason=given.get("reason", ""),
            items=[Item(each["id"], each["version"]) for each in given["tickets"]],
        )
        return Response(
            {
                "done": sum(result.fate == "done" for result in results),
                "results": [
                    {
                        "id": result.item.ticket,
                        "result": result.fate,
                        "detail": result.detail or None,
                        "ticket": ticket_row(result.ticket) if result.ticket else None,
                    }
                    for result in results
                ],
            }
        )


def limit_bulk(person: User) -> None:
    """Count one more vote on many tickets.

    :raises TooMany: when there were too many in this minute.
    """
    if MINUTE.count(f"bulk:{person.pk}") > BULKS_A_MINUTE:
        raise TooMany(retry_after=MINUTE.left())
