"""Vote, take a vote back, hold a ticket, and remark on it."""

from typing import ClassVar

from rest_framework.request import Request
from rest_framework.response import Response

from approvals.api.schema import IF_MATCH, describe, sent
from approvals.api.views import READ, VOTE, ApiView
from approvals.errors import NotVisible, Refusal
from reviews.api import answers, shapes
from reviews.api.base import TicketPage, with_version
from reviews.api.requests import (
    CommentCreateRequest,
    NothingRequest,
    VoteCreateRequest,
)
from reviews.models import Assignment, Comment, Queue, Ticket
from reviews.representation import iso
from reviews.services.assignments import claim_next, claim_ticket, release_ticket
from reviews.services.comments import add_comment
from reviews.services.lookup import as_uuid, read_surroundings
from reviews.services.votes import cast_vote, withdraw_vote


class VotesPage(TicketPage):
    """The votes of a ticket."""

    scopes: ClassVar[dict[str, str]] = {"POST": VOTE}

    @describe(
        "votes_create",
        "Vote on a ticket",
        tag="votes",
        request=VoteCreateRequest,
        answers={201: shapes.VotedAnswer, 200: shapes.VotedAnswer},
        problems=[409, 412, 428],
        parameters=[IF_MATCH],
        examples=[
            sent("Approve", {"choice": "approve", "version": 1}),
            sent("Reject", {"choice": "reject", "reason": "Too expensive.", "version": 1}),
            sent(
                "Approve with changes",
                {
                    "choice": "modify",
                    "reason": "Half will do.",
                    "amendments": {"business_count": 600, "total_cost": 90},
                    "version": 1,
                },
            ),
        ],
        description="Only people vote, and only on the version they saw. The same vote by the "
        "same person again is 200 with the first answer. Where the policy has every vote "
        "confirmed (403 `confirm-identity` names what it `needs`), send `password`, or the `code` "
        "of a second factor, with it.",
    )
    def post(self, request: Request, identifier: str) -> Response:  # noqa: ARG002
        """Take the caller's vote."""
        given = self.given(VoteCreateRequest)
        version = self.seen_version(given)
        confirmed = self.confirmed(given)
        ticket_id = as_uuid(identifier) or self.found(identifier).pk
        try:
            answer = cast_vote(
                ticket_id=ticket_id, voter=self.user, version=version, confirmed=confirmed, **given
            )
        except Refusal:
            # Whose vote counts may see the ticket. Whose does not is told why only if they may.
            self.found(identifier)
            raise
        if answer.replayed:
            self.found(identifier)
        answer.vote.voter = self.user
        read_surroundings(answer.ticket)
        whole = answers.ticket_whole(answer.ticket, self.user, poll=answer.poll)
        body = {
            "vote": answers.vote(answer.vote),
            "tally": whole["tally"],
            "ticket": whole,
        }
        return with_version(Response(body, status=200 if answer.replayed else 201), answer.ticket)


class MyVotePage(TicketPage):
    """The caller's own vote."""

    scopes: ClassVar[dict[str, str]] = {"DELETE": VOTE}

    @describe(
        "votes_withdraw",
        "Take one's own vote back",
        tag="votes",
        answers={200: shapes.TicketAnswer},
        problems=[409],
        description="While undecided, or during the hold.",
    )
    def delete(self, request: Request, identifier: str) -> Response:  # noqa: ARG002
        """Withdraw the caller's vote."""
        ticket = self.found(identifier)
        return self.whole(withdraw_vote(ticket_id=ticket.pk, voter=self.user))


class ClaimPage(TicketPage):
    """Who holds a ticket."""

    scopes: ClassVar[dict[str, str]] = {"POST": VOTE}

    @describe(
        "tickets_claim",
        "Hold a ticket for ten minutes",
        tag="queues",
        request=NothingRequest,
        answers={200: shapes.ClaimAnswer},
        problems=[409],
        description="Holding a ticket never blocks another's vote. Claiming again extends it.",
    )
    def post(self, request: Request, identifier: str) -> Response:  # noqa: ARG002
        """Give the ticket to the caller."""
        self.given(NothingRequest)
        ticket = self.found(identifier)
        held = claim_ticket(ticket_id=ticket.pk, person=self.user)
        return claimed(self, held, ticket)


def claimed(page: ApiView, held: Assignment, ticket: Ticket) -> Response:
    """Return the answer that says who holds a ticket."""
    body = {
        "by": held.person.get_username(),
        "until": iso(held.until),
        "ticket": answers.ticket_whole(ticket, page.user),
    }
    return with_version(Response(body), ticket)


class ReleasePage(TicketPage):
    """A ticket given back."""

    scopes: ClassVar[dict[str, str]] = {"POST": VOTE}

    @describe(
        "tickets_release",
        "Give a ticket back to the queue",
        tag="queues",
        request=NothingRequest,
        answers={200: shapes.TicketAnswer},
        problems=[409],
    )
    def post(self, request: Request, identifier: str) -> Response:  # noqa: ARG002
        """Release the ticket; one that nobody holds stays as it is."""
        self.given(NothingRequest)
        ticket = self.found(identifier)
        return self.whole(release_ticket(ticket_id=ticket.pk, person=self.user))


class NextPage(ApiView):
    """The most urgent ticket of a queue."""

    scopes: ClassVar[dict[str, str]] = {"POST": VOTE}

    @describe(
        "queues_next",
        "Claim the most urgent ticket one may decide",
        tag="queues",
        request=NothingRequest,
        answers={200: shapes.ClaimAnswer, 204: None},
        problems=[409],
    )
    def post(self, request: Request, slug: str) -> Response:  # noqa: ARG002
        """Claim the next ticket; 204 when there is none."""
        self.given(NothingRequest)
        ticket = claim_next(queue=self._queue(slug), person=self.user)
        if ticket is None:
            return Response(status=204)
        held = ticket.assignments.select_related("person").get(released_at__isnull=True)
        return claimed(self, held, ticket)

    def _queue(self, slug: str) -> Queue:
        queue = Queue.objects.filter(slug=slug).first()
        if queue is not None:
            mine = queue.roles.filter(pk__in=self.user.groups.values("pk"))
            if mine.exists() or Ticket.objects.visible_to(self.user).filter(queue=queue).exists():
                return queue
        raise NotVisible


class CommentsPage(TicketPage):
    """What people said beside their votes."""

    scopes: ClassVar[dict[str, str]] = {"GET": READ, "POST": VOTE}
    ordering = "id"

    @describe(
        "comments_list",
        "Read the remarks on a ticket",
        tag="tickets",
        lists=shapes.CommentAnswer,
    )
    def get(self, request: Request, identifier: str) -> Response:  # noqa: ARG002
        """Answer one page of the remarks, oldest first."""
        remarks = Comment.objects.filter(ticket=self.found(identifier)).select_related("author")
        return self.page(remarks, answers.COMMENT)

    @describe(
        "comments_create",
        "Remark on a ticket",
        tag="tickets",
        request=CommentCreateRequest,
        answers={201: shapes.CommentAnswer},
        problems=[409],
        examples=[sent("A remark", {"text": "Asked the supplier for a quote."})],
    )
    def post(self, request: Request, identifier: str) -> Response:  # noqa: ARG002
        """Leave a remark; it moves nothing."""
        given = self.given(CommentCreateRequest)
        ticket = self.found(identifier)
        remark = add_comment(ticket_id=ticket.pk, author=self.user, text=given["text"])
        return Response(answers.COMMENT(remark), status=201)
