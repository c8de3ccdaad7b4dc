"""Mails to people: one designed letter per fact, with one button and a link of their own.

The token in the link is made right before the mail leaves and stands nowhere but in the mail:
not in the row it is made of, not in the log, not in the audit trail.
"""

import json
import logging
from collections.abc import Mapping
from datetime import datetime
from email.utils import parseaddr
from typing import Any

from anymail.exceptions import AnymailError
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from approvals.errors import AlreadyDecided
from approvals.models import Decision, User
from approvals.safeguards import takes
from approvals.services.links import issue_link
from approvals.services.policies import published, safeguards_of
from approvals.services.polls import Poll
from reviews.actions import SENTENCES, acting_for
from reviews.channels.outcome import Outcome, Send
from reviews.channels.refusals import refusal
from reviews.display import brief, fields, inert, moments, views
from reviews.models import Delivery, Ticket
from reviews.outbound import Client
from reviews.polls import poll_on
from reviews.representation import voter_name
from reviews.services import notices, quotas, withheld

log = logging.getLogger(__name__)

_WORDS = {"allow": "Approve", "answer": "Answer"}
# Why somebody is told → the sentence that says so; `{roles}` are the reader's own.
_WHY = {
    "asked": "You hold the role {roles}, whose people are asked.",
    "next": "Everybody before you has answered; now you are asked, as {roles}.",
    "role": "Nobody has decided yet, so the role {role} is asked as well, and you hold it.",
    "stuck": "No answer can reach its quorum any more, and you manage people who were asked.",
    "holder": "You hold this ticket.",
    "manager": "You manage somebody who holds this ticket or was asked about it.",
    "beneficiary": "It was opened on your behalf.",
    "requester": "You opened it.",
    "assigned": "{by} gave this ticket to you.",
    "test": "{by} sent it to everybody who may approve it.",
    "tester": "You asked for a test.",
    "fresh": "You asked for a fresh link.",
}

_ASKED = frozenset({"asked", "next", "role"})


def prepare_notice(delivery: Delivery, now: datetime) -> Send:
    """Make a row for everybody this fact is told to; they leave on their own."""
    if before := quotas.told_before(delivery):
        return moot(before)
    if quotas.is_over(delivery):
        due = withheld.withhold(notice=delivery, now=now)
        return moot(f"Too many of this program in an hour; it is in the mail of {due:%H:%M} UTC.")
    if notices.spread(notice=delivery, now=now):
        return lambda _client: Outcome("sent")
    return moot("There is nobody to tell: nobody is asked now, or nobody has a mail address.")


def prepare_email(delivery: Delivery, now: datetime) -> Send:
    """Return one person's mail, with a fresh link of theirs where they may decide.

    What was decided, changed or taken from them since is not told any more.
    """
    ticket = delivery.ticket
    person = User.objects.filter(pk=int(delivery.target), is_active=True).first()
    if ticket is None or person is None or not person.email:
        return moot("The person has no mail address any more, or is switched off.")
    letter = Letter(delivery, ticket, person, now)
    why_not = letter.superseded()
    return moot(why_not) if why_not else sending(letter.message())


def moot(why: str) -> Send:
    """Return what sends nothing, and says why."""
    return lambda _client: Outcome("moot", error=why)


class Letter:
    """One mail about one fact to one person, in their time zone."""

    def __init__(self, delivery: Delivery, ticket: Ticket, person: User, now: datetime) -> None:
        self.delivery, self.ticket, self.person, self.now = delivery, ticket, person, now
        self.fact: Mapping[str, Any] = delivery.body
        self.why = str(self.fact.get("as", "asked"))
        self.decision: Decision = ticket.decision
        self.content: dict[str, Any] = json.loads(bytes(self.decision.content))
        self.ending = delivery.type in notices.ENDING
        self.poll: Poll = poll_on(ticket, [person.pk])
        self.refused = self.poll.refusal_for(person, choice=None)

    def superseded(self) -> str:
        """Return why there is nothing left to tell, or nothing."""
        if self.ending:
            return ""
        if self.ticket.round != self.delivery.round:
            return "A newer round took over before this left."
        if self.ticket.status != Ticket.Status.PENDING or self.decision.settled_at is not None:
            return AlreadyDecided.sentence
        if self.delivery.type == notices.TEST_MAIL and self._sample() is None:
            return "The ticket no longer holds this sample."
        if self.refused and self.why not in ("holder", "manager", "stuck", "tester"):
            return SENTENCES.get(self.refused, self.refused)
        return ""

    def message(self) -> EmailMultiAlternatives:
        """Return the mail; where the person may decide, this makes their link."""
        with timezone.override(moments.zone_of(self.person.time_zone)):
            context = self._context()
            folder = f"mail/{self.delivery.type.removeprefix('ticket.')}"
            return written(
                self.delivery, self.person, folder, context, thread=f"ticket-{self.ticket.pk}"
            )

    def _context(self) -> dict[str, Any]:
        ticket, decision = self.ticket, self.decision
        checkpoint = ticket.checkpoint
        labels = fields.labels_of(checkpoint.view, checkpoint.proposal_schema)
        found = fields.fields_of(
            self.content, labels, schema=checkpoint.proposal_schema, amount=ticket.amount
        )
        changes = brief.changes_in_brief(self._changes(labels))
        told = {label for label, _, _ in changes}
        lines, more = brief.in_brief(field for field in found if field.label not in told)
        late = ticket.due_at <= self.now
        return {
            "now": self.now,
            "ticket": ticket,
            "person": self.person,
            "policy": decision.policy,
            "fact": self.fact,
            "why": self._why(),
            "verb": self._verb(),
            "by": ticket.expires_at if late else ticket.due_at,
            "zone": self.person.time_zone,
            "sentence": fields.effect(checkpoint.effect_sentence, self.content, ticket.amount),
            "lines": lines,
            "more": more,
            "more_text": f"{more} more field{'' if more == 1 else 's'} on the page",
            "amount": fields.amount_beside(self.content, ticket.amount),
            "changes": changes,
            "hidden": any(
                inert.has_hidden(text)
                for text in (ticket.title, ticket.summary, fields.pretty(self.content))
            ),
            "outcome": self._outcome() if self.ending else None,
            "sample": self._sample(),
            **self.way_in(),
        }

    def _sample(self) -> views.Sample | None:
        """Return the sample e-mail a test is of; None for every other mail."""
        place = self.fact.get("sample")
        if self.delivery.type != notices.TEST_MAIL or not isinstance(place, int):
            return None
        samples = views.sample_mails(self.content, self.ticket.checkpoint.view)
        return samples[place - 1] if 1 <= place <= len(samples) else None

    def _why(self) -> str:
        lenders = [] if self.refused else acting_for(self.poll, self.person)
        if lenders and self.why in _ASKED:
            return " ".join(
                f"You act for {person.label}, who is asked, until "
                f"{moments.clock(until, now=self.now)}."
                for person, until in lenders
            )
        roles = sorted({role for _, role in self.poll.seats(self.person.pk)})
        told, of = _WHY[self.why], int(self.fact.get("of") or 0)
        told = told.format(
            roles=", ".join(roles), role=self.fact.get("role") or "", by=self._giver()
        )
        if of > notices.MOST_PEOPLE:
            told += f" Of the {of} people it could be sent to, {notices.MOST_PEOPLE} got it."
        return told

    def _giver(self) -> str:
        """Return the name of who gave the ticket away or sent the test."""
        if self.delivery.type not in (notices.ASSIGNED, notices.TEST_MAIL):
            return ""
        giver = User.objects.filter(username=self.fact.get("by")).first()
        return giver.label if giver else "Somebody"

    def _verb(self) -> str:
        if self.poll.question.timing.ask == "after":
            return "Review"
        effects = {option.effect for option in self.poll.question.options}
        return next((word for effect, word in _WORDS.items() if effect in effects), "Decide")

    def _changes(self, labels: Mapping[str, str]) -> list[fields.Change]:
        if self.ending or self.ticket.round < 2:
            return []
        before = Decision.objects.filter(
            subject=self.ticket.pk, round=self.ticket.round - 1
        ).first()
        if before is None:
            return []
        return fields.changes_between(json.loads(bytes(before.content)), self.content, labels)

    def _outcome(self) -> dict[str, Any]:
        ticket, decision = self.ticket, self.decision
        options = {option.key: option.label for option in self.poll.question.options}
        counted = [vote for vote in self.poll.votes if vote.choice == decision.outcome]
        voted = User.objects.in_bulk(
            {who for vote in counted for who in (vote.voter_id, vote.principal_id)}
        )
        by_people = decision.by == Decision.By.VOTES
        return {
            "word": Ticket.Status(ticket.status).label,
            "answer": options.get(decision.outcome, ""),
            "by": ", ".join(voter_name(vote, voted) for vote in counted) if by_people else "",
            "at": decision.settled_at or ticket.closed_at or self.now,
            "reason": decision.reason if by_people else "",
        }

    def way_in(self) -> dict[str, Any]:
        """Return the one button: a link of one's own to decide with, else the desk's page."""
        desk = reverse("admin:reviews_ticket_change", args=[self.ticket.pk])
        if self.ending or self.refused or self.delivery.type == notices.TEST_MAIL:
            seen = self.person.is_staff
            button = "Open the ticket" if seen else ""
            return {"whose": "A", "button": button, "url": settings.BASE_URL + desk}
        if not takes(safeguards_of(published(self.decision.policy_id)), "mail"):
            button = "Decide at the desk" if self.person.is_staff else ""
            return {"whose": "A", "button": button, "url": settings.BASE_URL + desk}
        link, token = issue_link(decision=self.decision, person=self.person, now=self.now)
        return {
            "whose": "Your",
            "button": "Review and decide",
            "url": settings.BASE_URL + reverse("mail-link", args=[token]),
            "link_until": link.expires_at,
        }


def written(
    delivery: Delivery, person: User, folder: str, context: Mapping[str, Any], *, thread: str = ""
) -> EmailMultiAlternatives:
    """Return the mail that a folder's three templates make for one person.

    :param thread: what mails about the same thing have in common; programs show them together.
    """
    subject = " ".join(render_to_string(f"{folder}/subject.txt", context).split())
    text = render_to_string(f"{folder}/body.txt", context).strip() + "\n"
    html = render_to_string(f"{folder}/body.html", context)
    about = f"<{thread}@{domain()}>"
    message = EmailMultiAlternatives(
        subject=subject,
        body=text,
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[person.email],
        headers={
            # The same however often it is sent, so that a mail that came twice is one mail.
            "Message-ID": f"<{delivery.pk}@{domain()}>",
            **({"In-Reply-To": about, "References": about} if thread else {}),
            "Auto-Submitted": "auto-generated",
            "X-Auto-Response-Suppress": "All",
        },
    )
    message.attach_alternative(html, "text/html")
    return message


def domain() -> str:
    """Return the domain our mails come from, for their ids."""
    return parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"


def sending(message: EmailMultiAlternatives) -> Send:
    """Return what sends a mail and says what became of it."""

    def send(_client: Client) -> Outcome:
        try:
            message.send()
        except (AnymailError, OSError) as problem:  # all of SMTP's are the latter
            return refusal(problem)
        return Outcome("sent")

    return send
