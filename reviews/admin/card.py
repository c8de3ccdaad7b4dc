"""The decision card: what this person may answer, what they typed, and the stamp afterwards."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from approvals.errors import AlreadyVoted, Refusal
from approvals.models import Decision, User, Vote
from approvals.quorum import Tally
from approvals.services.polls import Poll
from reviews import lifecycle
from reviews.actions import SENTENCES, acting_for, available_actions
from reviews.admin.choices import Choice, Typed, choices_of
from reviews.display.blind import Blind
from reviews.models import Assignment, Ticket
from reviews.representation import voter_name


@dataclass(slots=True)
class Stamp:
    """What was decided, by whom, and until when it can be undone."""

    word: str
    tone: str
    by: str
    at: datetime
    reason: str
    in_effect_at: datetime | None
    take_back: bool
    may_ask_people: bool
    revoke_until: datetime | None


@dataclass(frozen=True, slots=True)
class Lender:
    """Somebody whose vote may be cast here, until when, and whether they were chosen."""

    name: str
    label: str
    until: datetime
    chosen: bool = False


@dataclass(slots=True)
class Card:
    """Everything the card shows. `lenders` are those whose vote it is, where it is not one's own;
    `cast_by` is who cast one's own vote, where it was somebody else, `cast_for` whose one cast.
    """

    state: str
    why_not: str
    tally: Tally
    roles: list[str]
    plain: list[Choice]
    forms: list[Choice]
    own_vote: Vote | None
    stamp: Stamp | None
    holder: Assignment | None
    may_claim: bool
    lenders: list[Lender]
    can: Collection[str] = ()
    cast_by: str = ""
    cast_for: str = ""
    reason: str = ""
    reason_error: str = ""
    open_reason: bool = False

    def choice(self, key: str) -> Choice | None:
        """Return the choice of this key, or None where it cannot be chosen now."""
        return next((c for c in (*self.plain, *self.forms) if c.option.key == key), None)

    def blame(self, key: str, refusal: Refusal) -> str:
        """Put a refusal beside the field it is about; return the sentence for the banner."""
        choice = self.choice(key)
        left = [error.get("message", "") for error in refusal.errors]
        if choice is not None and choice.form is not None:
            at = "/amendments" if choice.kept else "/response"
            left = choice.form.blame(refusal.errors, at=at)
            choice.open = True
            choice.errors = left
        elif choice is not None and any(e.get("pointer") == "/reason" for e in refusal.errors):
            self.open_reason, self.reason_error, left = True, left[0], left[1:]
        return " ".join([refusal.detail, *left])


def card_of(
    *,
    ticket: Ticket,
    poll: Poll,
    user: User,
    now: datetime,
    people: Mapping[int, User],
    typed: Typed | None = None,
    labels: Mapping[str, str],
    blind: Blind | None = None,
) -> Card:
    """Return the card as it stands for one person; nothing is written.

    :param blind: shows the options in an order of the person's own.
    """
    typed = typed or Typed()
    can, refused = available_actions(poll, ticket, user)
    decision = poll.decision
    own = next((v for v in poll.votes if user.pk in (v.voter_id, v.principal_id)), None)
    lenders = [
        Lender(one.get_username(), one.label, until, one.get_username() == typed.on_behalf_of)
        for one, until in (acting_for(poll, user) if "vote" in can else [])
    ]
    choices = choices_of(poll, user, typed, ticket, labels, blind) if "vote" in can else []
    holder = Assignment.objects.in_force(now).filter(ticket=ticket).select_related("person").first()
    stamp = None
    if decision.settled_at is not None:
        state = "decided"
        stamp = _stamp(ticket, poll, can=can, people=people)
    elif ticket.status != Ticket.Status.PENDING:
        state = "closed"
    elif own is not None:
        state = "voted"
    else:
        state = "open" if choices else "watching"
    plain = [choice for choice in choices if choice.form is None]
    return Card(
        state=state,
        why_not=SENTENCES.get(refused or "", refused or "")
        if own is not None or refused != AlreadyVoted.code
        else "The vote you could cast is already cast.",
        tally=poll.tally(),
        roles=sorted({role for _, role in poll.seats(user.pk)}),
        lenders=lenders,
        can=can,
        cast_by=_other(people, own.voter_id, user) if own else "",
        cast_for=_other(people, own.principal_id, user) if own else "",
        plain=plain,
        forms=[choice for choice in choices if choice.form is not None],
        own_vote=own,
        stamp=stamp,
        holder=holder,
        may_claim=state == "open" and (holder is None or holder.person_id == user.pk),
        reason=typed.reason if any(c.option.key == typed.choice for c in plain) else "",
        open_reason=bool(typed.reason),
    )


def _other(people: Mapping[int, User], who: int, user: User) -> str:
    return "" if who == user.pk else people[who].label


def _stamp(
    ticket: Ticket, poll: Poll, *, can: Collection[str], people: Mapping[int, User]
) -> Stamp:
    decision = poll.decision
    assert decision.settled_at is not None
    assert decision.final_at is not None
    holding = ticket.status == Ticket.Status.PENDING
    status = lifecycle.status_for(decision.effect) if holding else ticket.status
    return Stamp(
        word=str(Ticket.Status(status).label),
        tone="good" if lifecycle.allowed(ticket.status) else "",
        by=_by(poll, people),
        at=decision.settled_at,
        reason=decision.reason if decision.by == Decision.By.VOTES else "",
        in_effect_at=decision.final_at if holding else None,
        take_back="withdraw" in can,
        may_ask_people="request-review" in can,
        revoke_until=decision.revocable_until if "revoke" in can else None,
    )


def _by(poll: Poll, people: Mapping[int, User]) -> str:
    decision = poll.decision
    if decision.by == Decision.By.VOTES:
        names = [
            voter_name(vote, people)
            for vote in poll.votes
            if vote.choice == decision.outcome and vote.voter_id in people
        ]
        return ", ".join(names)
    rule = (decision.rule or {}).get("name")
    return {
        Decision.By.RULE: f"rule “{rule}”" if rule else "the checkpoint's rules",
        Decision.By.TIMEOUT: "silence: nobody answered in time",
        Decision.By.FLAG: "a feature flag",
        Decision.By.STUB: "a stub, without people",
        Decision.By.BYPASS: "the bypass",
    }.get(Decision.By(decision.by), str(decision.by))
