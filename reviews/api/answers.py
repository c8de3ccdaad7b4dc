"""Make answers out of rows."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings

from approvals.models import ApprovalPolicy, User, Vote
from approvals.quorum import Tally
from approvals.services.polls import Poll
from audit.models import AuditEvent
from reviews.actions import SENTENCES, acting_for, available_actions
from reviews.api.shapes import CommentAnswer, EventAnswer
from reviews.display.blind import blind_for
from reviews.models import Ticket
from reviews.polls import poll_on
from reviews.representation import iso, ticket_core

Json = dict[str, Any]
# A ticket in a list shows these; whatever it needs comes in the one query.
SHOWN = ("checkpoint", "decision", "queue", "region")
# Tell of one fact of a ticket's story, and of one remark.
EVENT = EventAnswer().to_representation
COMMENT = CommentAnswer().to_representation


def ticket_row(ticket: Ticket, viewer: User | None = None, *, answered: bool = False) -> Json:
    """Return a ticket as it stands in a list; checkpoint, decision, queue and region are read.

    A viewer who is to answer blind, and has not answered, is not told what the AI prefers.
    """
    blind = blind_for(ticket, ticket.decision, viewer, answered=answered) if viewer else None
    interaction = dict(ticket.interaction)
    return {
        **ticket_core(ticket, ticket.decision),
        "summary": ticket.summary,
        "proposal": ticket.proposal,
        "ai": blind.claim(ticket.ai) if blind else ticket.ai,
        "priority": ticket.priority,
        "risk": ticket.risk,
        "region": ticket.region.slug if ticket.region else None,
        "queue": ticket.queue.slug,
        "domain": ticket.domain or None,
        "impact": ticket.impact or None,
        "amount": None if ticket.amount is None else f"{ticket.amount:.2f}",
        "financial_impact": ticket.financial_impact,
        "compliance": ticket.compliance,
        "novel_pattern": ticket.novel_pattern,
        "labels": ticket.labels,
        "preset": ticket.preset or None,
        "ui_schema": interaction.pop("ui_schema", None),
        "interaction": interaction,
        "on_behalf_of": ticket.on_behalf_of or None,
        "callback_url": ticket.callback_url or None,
        "closed_at": iso(ticket.closed_at),
        "links": links(ticket),
    }


def ticket_whole(
    ticket: Ticket, viewer: User, *, expand: Iterable[str] = (), poll: Poll | None = None
) -> Json:
    """Return a ticket with where its question stands and what the viewer may do.

    `poll` is its poll, where the caller has just read it with the viewer in it.
    """
    if poll is None:
        # A machine never votes, whatever it holds.
        poll = poll_on(ticket, () if viewer.is_machine else (viewer.pk,))
    can, why_not = available_actions(poll, ticket, viewer)
    open_now = ticket.status == Ticket.Status.PENDING and ticket.decision.settled_at is None
    answered = any(viewer.pk in (vote.voter_id, vote.principal_id) for vote in poll.votes)
    blind = blind_for(ticket, ticket.decision, viewer, answered=answered)
    question = ticket.decision.question
    answer = {
        **ticket_row(ticket, viewer, answered=answered),
        "policy": policy(ticket.decision.policy, blind.policy(question) if blind else question),
        "tally": tally(poll.tally(with_remaining=open_now), _with_people(poll.votes)),
        "viewer": {
            "can": can,
            "why_not": why_not,
            "why_not_detail": None if why_not is None else SENTENCES[why_not],
            "acting_for": _lenders(poll, viewer) if "vote" in can else [],
        },
    }
    for name in expand:
        answer[name] = _EXPANDED[name](ticket, poll, viewer)
    return answer


def links(ticket: Ticket) -> Json:
    """Return where a ticket's parts are."""
    here = f"{settings.BASE_URL}/api/v1/tickets/{ticket.pk}"
    return {
        "self": here,
        "votes": f"{here}/votes",
        "events": f"{here}/events",
        "comments": f"{here}/comments",
        "receipt": f"{here}/receipt",
        "page": f"{settings.BASE_URL}/admin/reviews/ticket/{ticket.pk}/change/",
    }


def policy(version: ApprovalPolicy, question: Json) -> Json:
    """Return a question as it was frozen, with the policy version it came from."""
    return {
        "slug": version.slug,
        "version": version.version,
        "name": version.name,
        **question,
    }


def tally(counted: Tally, votes: Sequence[Vote]) -> Json:
    """Return where a question stands, and how each person answered."""
    return {
        "needed": counted.needed,
        "approvals": counted.approvals,
        "rejections": counted.rejections,
        "eligible_left": counted.eligible_left,
        "stage": counted.stage,
        "people": [
            {
                **_who(cast),
                "choice": cast.choice,
                "comment": cast.reason or None,
                "at": iso(cast.cast_at),
            }
            for cast in votes
        ],
    }


def _with_people(votes: Sequence[Vote]) -> Sequence[Vote]:
    """Return the votes with those who cast and those who own them, in one query for all."""
    wanted = {cast.voter_id for cast in votes if not Vote.voter.is_cached(cast)}
    wanted |= {cast.principal_id for cast in votes if not Vote.principal.is_cached(cast)}
    people = User.objects.in_bulk(wanted) if wanted else {}
    for cast in votes:
        if cast.voter_id in people:
            cast.voter = people[cast.voter_id]
        if cast.principal_id in people:
            cast.principal = people[cast.principal_id]
    return votes


def _who(cast: Vote) -> Json:
    """Return who cast a vote, and whose it is where it was lent."""
    lent = cast.principal_id != cast.voter_id
    return {
        "name": cast.voter.get_username(),
        "label": f"{cast.voter.label} for {cast.principal.label}" if lent else cast.voter.label,
        "on_behalf_of": cast.principal.get_username() if lent else None,
    }


def _lenders(poll: Poll, viewer: User) -> list[Json]:
    """Return for whom the viewer would vote: nobody, where they have a right of their own."""
    found = acting_for(poll, viewer)
    return [
        {"name": person.get_username(), "label": person.label, "until": iso(until)}
        for person, until in found
    ]


def vote(cast: Vote) -> Json:
    """Return one vote."""
    return {
        "id": str(cast.pk),
        **_who(cast),
        "choice": cast.choice,
        "reason": cast.reason,
        "response": cast.response,
        "amendments": cast.amendments,
        "version": cast.version,
        "digest": cast.digest,
        "channel": cast.channel,
        "at": iso(cast.cast_at),
        "withdrawn_at": iso(cast.withdrawn_at),
    }


def _votes(ticket: Ticket, poll: Poll, viewer: User) -> list[Json]:  # noqa: ARG001
    cast = Vote.objects.filter(decision__subject=ticket.pk).select_related("voter", "principal")
    return [vote(one) for one in cast.order_by("cast_at", "id")]


def _events(ticket: Ticket, poll: Poll, viewer: User) -> list[Json]:  # noqa: ARG001
    told = AuditEvent.objects.filter(stream=ticket.stream).order_by("-seq")[:200]
    return [EVENT(one) for one in reversed(told)]


def _similar(ticket: Ticket, poll: Poll, viewer: User) -> list[Json]:  # noqa: ARG001
    decided = (
        Ticket.objects.visible_to(viewer)
        .filter(checkpoint=ticket.checkpoint_id, closed_at__isnull=False)
        .exclude(pk=ticket.pk)
        .select_related("decision")
        .order_by("-id")[:5]
    )
    return [
        {
            "id": str(one.pk),
            "ref": one.label,
            "title": one.title,
            "status": one.status,
            "outcome": one.decision.outcome or None,
            "prediction": one.ai.get("prediction"),
            "created_at": iso(one.created_at),
        }
        for one in decided
    ]


_EXPANDED = {"votes": _votes, "events": _events, "similar": _similar}
