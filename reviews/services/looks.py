"""What people are asked when they look at what a rule decided: by chance, or on request.

The decision looked at is final and stays; the look is a ticket of its own, linked by `previous`.
"""

import hmac
from dataclasses import dataclass, replace
from uuid import UUID

from django.conf import settings

from approvals.errors import Invalid
from approvals.models import Decision, User
from approvals.options import ALLOWING
from approvals.presets import AFTERWARDS, apply_preset
from approvals.question import Question, Repeat
from approvals.services.policies import published, published_question
from reviews.models import Checkpoint, Ticket
from reviews.models.checkpoint import Priority
from reviews.services.asking import Asking, frozen_question
from reviews.services.requests import TicketRequest, request_of
from reviews.services.seats import GIVES

_BY_PEOPLE = frozenset({Decision.By.VOTES, Decision.By.OVERRIDE})
_DECIDED = frozenset(
    {
        Ticket.Status.APPROVED,
        Ticket.Status.REJECTED,
        Ticket.Status.ANSWERED,
        Ticket.Status.EXPIRED,
    }
)
_RIGHT = "GDPR Art. 22(3): the right to have a person look at it"


@dataclass(frozen=True, slots=True)
class Look:
    """Which ticket is looked at, and why; `asked_by` is who wanted it, where somebody did."""

    at: Ticket
    why: Ticket.SecondLook
    asked_by: str = ""


def is_drawn(ticket_id: UUID, share: float) -> bool:
    """Return whether a ticket is one of the share that is looked at; always the same answer.

    Only the service can tell which those are: the draw is keyed with its secret.
    """
    if share <= 0:
        return False
    digest = hmac.digest(settings.SECRET_KEY.encode(), b"audit sample" + ticket_id.bytes, "sha256")
    return int.from_bytes(digest[:8]) < share * 2**64


def request_for(look: Look) -> TicketRequest:
    """Return what is opened: what was sent then, without what its requester asked of the question.

    A sample does not hurry anybody, and nothing goes on when it is answered.
    """
    again = replace(request_of(look.at), reference="", previous="", step=0)
    if look.why == Ticket.SecondLook.SAMPLE:
        plain = replace(again, preset="", question={}, response_schema=None, interaction={})
        again = replace(plain, priority=Priority.LOW, pipeline={})
    # A pipeline that went on once does not go on again.
    return replace(again, pipeline={}) if look.at.decision.effect in ALLOWING else again


def asked_again(look: Look, *, checkpoint: Checkpoint, request: TicketRequest) -> Asking:
    """Return the question of a look. No rule, switch or bypass answers it: a person does."""
    policy = published(checkpoint.question_id)
    if look.why == Ticket.SecondLook.SAMPLE:
        question = apply_preset(AFTERWARDS, onto=published_question(policy.pk))
        # There is no hurry and no window to miss, as there is for whoever acts first by design.
        question = replace(question, timing=replace(question.timing, expires=None))
    else:
        question = _as_asked(checkpoint, request)
    before = look.at.rule or {}
    rule = {
        "name": look.why.label,
        "when": "",
        "then": "ask",
        "band": None,
        "legal_basis": before.get("legal_basis") if not look.asked_by else _RIGHT,
        "why": _why(look),
    }
    risk = look.at.risk
    least = 2 if checkpoint.critical or request.priority == Priority.CRITICAL else 1
    return Asking("ask", "rule", policy, rule, risk, request.priority, least, question=question)


def _as_asked(checkpoint: Checkpoint, request: TicketRequest) -> Question:
    """Return the checkpoint's question as this request shaped it, where it still can."""
    policy = published(checkpoint.question_id)
    try:
        question = frozen_question(checkpoint=checkpoint, policy=policy, request=request)
    except Invalid:
        question = published_question(policy.pk)
    # Nobody changes what was decided, so it is not sent back; and it is one step, not a row.
    options = tuple(option for option in question.options if option.effect != "return")
    # A look that nobody took is no yes, whatever silence means elsewhere.
    known = {option.key for option in options if option.effect not in ALLOWING}
    silence = question.timing.silence if question.timing.silence in known else None
    return replace(
        question,
        options=options or question.options,
        timing=replace(question.timing, silence=silence, ask="before"),
        repeat=Repeat(),
    )


def _why(look: Look) -> str:
    what = "passed" if look.at.decision.effect in ALLOWING else "was refused"
    rule = (look.at.rule or {}).get("name")
    how = f"{look.at.label} {what} without a person" + (f", by “{rule}”" if rule else "")
    if look.asked_by:
        return f"{how}. {look.asked_by} asked for a person to look at it."
    return f"{how}. A share of these is looked at afterwards."


def permits_nothing_new(ticket: Ticket) -> bool:
    """Tell whether a ticket only looks at what was allowed already; that one is executed, once."""
    seen = ticket.previous if ticket.second_look else None
    return seen is not None and seen.decision.effect in ALLOWING


def without_people(ticket: Ticket, decision: Decision) -> bool:
    """Tell whether a ticket was decided, and no person did it."""
    by_nobody = bool(decision.by) and decision.by not in _BY_PEOPLE
    return ticket.status in _DECIDED and by_nobody


def concerns(ticket: Ticket, user: User) -> bool:
    """Tell whether somebody may have people look at a ticket.

    Who opened it or answers for the key that did, whom it concerns and their manager, and leads.
    """
    if user.pk in (ticket.requester_id, ticket.beneficiary_id):
        return True
    if user.is_machine or not user.is_active:
        return False
    if ticket.access_key is not None and ticket.access_key.owner_id == user.pk:
        return True
    beneficiary = ticket.beneficiary
    return (beneficiary is not None and beneficiary.manager_id == user.pk) or user.has_perm(GIVES)
