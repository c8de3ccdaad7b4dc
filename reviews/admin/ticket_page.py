"""The ticket's page: facts first, the agent's claim beside them, the story and the proof last."""

import json
from datetime import datetime, timedelta
from typing import Any

from approvals.models import Decision, User
from approvals.question import Question
from audit.clock import db_now
from audit.models import AuditEvent
from reviews.actions import poll_before
from reviews.admin.card import Card, card_of
from reviews.admin.choices import Typed
from reviews.admin.rows import chip_of
from reviews.display import agent, fields, inert, moments, report, timeline, views
from reviews.display.blind import blind_for
from reviews.flags import sentence as off_sentence
from reviews.flags import switched_off_by
from reviews.models import Ticket
from reviews.representation import voter_name
from reviews.services.offers import offered
from reviews.services.track_record import record_of

# What a pipeline's step tells beside its proposal; people read it with the proposal.
_FROM_THE_PIPELINE = ("escalation_reason", "partial_result", "refinement_history")
_MOST_EVENTS = 200


class TicketPage:
    """One ticket as one person sees it at one instant."""

    def __init__(self, ticket: Ticket, user: User, typed: Typed | None = None) -> None:
        self.ticket, self.user = ticket, user
        self.now = db_now()
        self.decision: Decision = ticket.decision
        self.content: dict[str, Any] = json.loads(bytes(self.decision.content))
        self.labels = fields.labels_of(ticket.checkpoint.view, ticket.checkpoint.proposal_schema)
        self.poll = poll_before(ticket, user, now=self.now)
        remarks = list(ticket.remarks.select_related("author")[:100])
        self.remarks = remarks
        self.people = User.objects.in_bulk(
            {who for vote in self.poll.votes for who in (vote.voter_id, vote.principal_id)}
        )
        answered = any(user.pk in (vote.voter_id, vote.principal_id) for vote in self.poll.votes)
        self.blind = blind_for(ticket, self.decision, user, answered=answered)
        self.card: Card = card_of(
            ticket=ticket,
            poll=self.poll,
            user=user,
            now=self.now,
            people=self.people,
            typed=typed,
            labels=self.labels,
            blind=self.blind,
        )

    def context(self, *, banner: str = "", stale: bool = False) -> dict[str, Any]:
        """Return everything the page shows."""
        ticket, decision = self.ticket, self.decision
        sentence = fields.effect(ticket.checkpoint.effect_sentence, self.content, ticket.amount)
        options = {option.key: option.label for option in self.poll.question.options}
        before = self._before()
        variable = switched_off_by(ticket.checkpoint.slug)
        ai = self.blind.claim(ticket.ai) if self.blind else ticket.ai
        return {
            "title": f"{ticket.label} {inert.plain(ticket.title)}",
            "now": self.now,
            "ticket": ticket,
            "decision": decision,
            "card": self.card,
            "banner": banner,
            "stale": stale,
            "chip": chip_of(ticket, now=self.now),
            "sentence": sentence,
            "consequence": consequence(self.poll.question),
            "fields": self.laid_out(),
            "switched_off": off_sentence(variable) if variable else "",
            "changes": []
            if before is None
            else fields.changes_between(before, self.content, self.labels),
            "approved_changes": self._approved_changes(),
            "amount": fields.amount_beside(self.content, ticket.amount),
            "claim": agent.claim_of(ai),
            "blind": self.blind is not None,
            "track": "" if self.blind else record_of(ticket),
            "votes": [
                (voter_name(vote, self.people), vote, options.get(vote.choice, vote.choice))
                for vote in self.poll.votes
            ],
            "remarks": self.remarks,
            "story": timeline.story_of(
                AuditEvent.objects.filter(stream=ticket.stream).order_by("seq")[:_MOST_EVENTS],
                labels=options,
            ),
            "raw": fields.pretty({"proposal": self.content, "ai": ai}),
            "hidden": any(
                inert.has_hidden(text)
                for text in (ticket.title, ticket.summary, fields.pretty(self.content),
                             json.dumps(ticket.ai, ensure_ascii=False))
            ),
            "looks": list(ticket.next.exclude(second_look="").only("ref", "second_look", "status")),
            "next": next_ticket(self.user, besides=ticket, now=self.now),
        }  # fmt: skip

    def laid_out(self) -> list[fields.Field]:
        """Return the proposal as its checkpoint lays it out."""
        checkpoint = self.ticket.checkpoint
        found = fields.fields_of(
            self.content, self.labels, schema=checkpoint.proposal_schema, amount=self.ticket.amount
        )
        told = {
            name: self.ticket.interaction[name]
            for name in _FROM_THE_PIPELINE
            if self.ticket.interaction.get(name) and name not in self.content
        }
        found += fields.fields_of(told, {})
        return views.parts_of(found, self.content, checkpoint.view)

    def comparison_report(self) -> str | None:
        """Return the comparison as a file's text, or None where nothing is compared."""
        compared = views.comparison_of(self.content, self.ticket.checkpoint.view)
        if compared is None:
            return None
        return report.report_of(self.ticket, self.content, compared, now=self.now)

    def _before(self) -> dict[str, Any] | None:
        if self.ticket.round < 2:
            return None
        before = Decision.objects.filter(
            subject=self.ticket.pk, round=self.ticket.round - 1
        ).first()
        return None if before is None else json.loads(bytes(before.content))

    def _approved_changes(self) -> list[fields.Change]:
        if self.decision.approved_content is None:
            return []
        approved = json.loads(bytes(self.decision.approved_content))
        return fields.changes_between(self.content, approved, self.labels)


def consequence(question: Question) -> str:
    """Return in one sentence when an approval takes effect and how long it can be undone."""
    timing = question.timing
    words = []
    if len(question.repeat.steps) > 1:
        now, *later = question.repeat.steps
        rest = ", then ".join(f"{share} %" for share in later)
        words.append(f"A step to {now} %; you are asked again before {rest}.")
    elif question.repeat.steps:
        words.append(f"The last step, to {question.repeat.steps[0]} %.")
    if timing.ask == "after":
        words.append("It has already been done; you are asked afterwards.")
    if timing.hold > timedelta(0):
        words.append(
            f"Takes effect {moments.length(timing.hold)} after the decision; "
            "until then it can be taken back."
        )
    if timing.revocable > timedelta(0):
        words.append(f"Can be revoked for {moments.length(timing.revocable)} once in effect.")
    return " ".join(words)


def next_ticket(user: User, *, besides: Ticket, now: datetime) -> Ticket | None:
    """Return the most urgent other ticket this person may vote on, skipped ones last."""
    others = (found for found in offered(user, now=now, held_too=True) if found != besides.pk)
    for found in others:
        return Ticket.objects.only("pk", "ref", "title").get(pk=found)
    return None
