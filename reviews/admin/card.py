"""The decision card: what this person may answer, what they typed, and the stamp afterwards."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from approvals.errors import AlreadyVoted, Refusal
from approvals.models import Decision, User, Vote
from approvals.options import ALLOWING, EDIT_PROPOSAL, Option
from approvals.quorum import Tally
from approvals.services.polls import Poll
from reviews import lifecycle
from reviews.actions import SENTENCES, acting_for, available_actions
from reviews.display import fields
from reviews.display.blind import Blind
from reviews.display.inert import has_hidden
from reviews.forms.schema_form import SchemaForm, edit_schema
from reviews.models import Assignment, Ticket
from reviews.representation import voter_name


@dataclass(slots=True)
class Typed:
    """What somebody sent, so that nothing is lost when it is refused."""

    choice: str = ""
    reason: str = ""
    on_behalf_of: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Choice:
    """One option as it is shown: its button, its fields, and the key that presses it."""

    place: int
    option: Option
    label: str
    cap: str
    form: SchemaForm | None
    ask_reason: bool
    reason: str = ""
    open: bool = False
    errors: list[str] = field(default_factory=list)

    @property
    def needs_reason(self) -> bool:
        return self.option.reason == "required"

    @property
    def kept(self) -> bool:
        """Tell whether fields of the proposal stay as they are because they cannot be typed."""
        return self.option.form == EDIT_PROPOSAL

    @property
    def allows(self) -> bool:
        """Tell whether the action goes ahead with this answer."""
        return self.option.effect in ALLOWING

    def reason_given(self) -> str:
        """Return the reason; where a form asks for a text anyway, that text is the reason."""
        if self.ask_reason or self.form is None:
            return self.reason
        return str(self.form.values().get(_reason_field(self.option)) or "")


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
    choices = _choices(poll, user, typed, ticket, labels, blind) if "vote" in can else []
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


def _choices(
    poll: Poll,
    user: User,
    typed: Typed,
    ticket: Ticket,
    labels: Mapping[str, str],
    blind: Blind | None,
) -> list[Choice]:
    options = poll.question.options
    options = blind.options(options) if blind else options
    caps = _caps(options)
    content = json.loads(bytes(poll.decision.content))
    schema = ticket.checkpoint.proposal_schema or {}
    drafts = _drafts(ticket)
    choices = []
    for place, option in enumerate(options):
        # What an answer adds is not known yet; an empty one stands for an outcome of its own.
        if poll.refusal_for(user, choice=option.key):
            continue
        chosen = typed.choice == option.key
        data = typed.data if chosen else None
        form = _form(option, place, content, schema, labels, drafts, data)
        choices.append(
            Choice(
                place=place,
                option=option,
                label=option.label,
                cap=caps.get(option.key, ""),
                form=form,
                ask_reason=form is None or not _reason_field(option),
                reason=typed.reason if chosen else "",
                open=chosen and form is not None,
            )
        )
    return choices


def _form(
    option: Option,
    place: int,
    content: Mapping[str, Any],
    schema: Mapping[str, Any],
    labels: Mapping[str, str],
    drafts: Mapping[str, str],
    data: Mapping[str, Any] | None,
) -> SchemaForm | None:
    prefix = f"o{place}"
    if option.form == EDIT_PROPOSAL:
        schema = edit_schema(content, schema, labels)
        return SchemaForm(schema, data, prefix=prefix, labels=labels, initial=content)
    if isinstance(option.form, Mapping):
        given = {**drafts, **_prefilled(option.form, content)}
        return SchemaForm(option.form, data, prefix=prefix, initial=_texts(option.form, given))
    return None


def _prefilled(form: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, str]:
    """Return the texts a form begins with: `x-from` names the field of the proposal."""
    found = {}
    for name, part in (form.get("properties") or {}).items():
        source = part.get("x-from") if isinstance(part, Mapping) else None
        if isinstance(source, str) and content.get(source) is not None:
            value = content[source]
            found[name] = value if isinstance(value, str) else fields.pretty(value)
    return found


def _drafts(ticket: Ticket) -> dict[str, str]:
    """Return the texts the requester's own form begins with, by field."""
    form = ticket.interaction.get("ui_schema")
    rows = form.get("fields") if isinstance(form, Mapping) else None
    return {
        row["name"]: row["default"]
        for row in rows or ()
        if isinstance(row.get("name"), str) and isinstance(row.get("default"), str)
    }


def _texts(form: Mapping[str, Any], given: Mapping[str, str]) -> dict[str, str]:
    """Return what is prefilled: texts to work on, never a choice, which is a person's to make."""
    parts = form.get("properties") or {}
    free = {
        name
        for name, part in parts.items()
        if isinstance(part, Mapping) and part.get("type") == "string" and "enum" not in part
    }
    return {name: text for name, text in given.items() if name in free and not has_hidden(text)}


def _reason_field(option: Option) -> str:
    """Return the first text the option's own form insists on; it is the reason then."""
    if option.reason != "required" or not isinstance(option.form, Mapping):
        return ""
    properties = option.form.get("properties", {})
    for name in option.form.get("required", []):
        if properties.get(name, {}).get("type") == "string" and "enum" not in properties[name]:
            return str(name)
    return ""


def _caps(options: tuple[Option, ...]) -> dict[str, str]:
    """Return the key of each option: a, r, e and q by what it does, digits for the rest."""
    caps: dict[str, str] = {}
    for option in options:
        wish = {"deny": "r", "return": "q"}.get(option.effect, "a")
        if option.form == EDIT_PROPOSAL:
            wish = "e"
        if option.effect != "none" and wish not in caps.values():
            caps[option.key] = wish
    if sum(option.effect == "answer" for option in options) > 1:
        # Answers of equal standing are told apart by number, none of them is "the" approval.
        caps = {o.key: caps[o.key] for o in options if o.key in caps and o.effect != "answer"}
    shown = sorted(options, key=lambda option: option.form is not None)
    rest = (option.key for option in shown if option.key not in caps)
    return caps | {key: str(number) for number, key in enumerate(rest, start=1) if number < 10}


def changed_fields(choice: Choice, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the proposal that were typed differently."""
    assert choice.form is not None
    values = choice.form.values()
    return {
        name: values.get(name, "" if isinstance(content.get(name), str) else None)
        for name in choice.form.names
        if values.get(name, "" if isinstance(content.get(name), str) else None) != content.get(name)
    }


def _stamp(
    ticket: Ticket, poll: Poll, *, can: Collection[str], people: Mapping[int, User]
) -> Stamp:
    decision = poll.decision
    assert decision.settled_at is not None
    assert decision.final_at is not None
    holding = ticket.status == Ticket.Status.PENDING
    return Stamp(
        word=_word(ticket, decision, holding=holding),
        tone="good" if lifecycle.allowed(ticket.status) else "",
        by=_by(poll, people),
        at=decision.settled_at,
        reason=decision.reason if decision.by == Decision.By.VOTES else "",
        in_effect_at=decision.final_at if holding else None,
        take_back="withdraw" in can,
        may_ask_people="request-review" in can,
        revoke_until=decision.revocable_until if "revoke" in can else None,
    )


def _word(ticket: Ticket, decision: Decision, *, holding: bool) -> str:
    status = lifecycle.status_for(decision.effect) if holding else ticket.status
    return str(Ticket.Status(status).label)


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
