"""A ticket as an earlier design knows it: an interaction with a form and one of four states."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from approvals.eligibility import normalise_identity
from approvals.errors import Invalid
from approvals.models import User
from approvals.question import Question, QuestionInvalid
from approvals.services.polls import question_of
from approvals.tightening import ask_only, ask_share, mean_by_silence
from reviews.display.blind import blind_for
from reviews.forms.ui_fields import ui_schema_of
from reviews.models import Ticket
from reviews.representation import iso

_STATES = {
    Ticket.Status.PENDING: "pending",
    # Somebody answered; that the answer was "not like this" stands in the ticket.
    Ticket.Status.NEEDS_CHANGES: "completed",
    Ticket.Status.APPROVED: "completed",
    Ticket.Status.REJECTED: "completed",
    Ticket.Status.ANSWERED: "completed",
    Ticket.Status.EXPIRED: "expired",
    Ticket.Status.CANCELLED: "cancelled",
    # Whoever reads "completed" goes on, and a revoked decision is nothing to go on with.
    Ticket.Status.REVOKED: "cancelled",
}


def is_called(user: User, name: str) -> bool:
    """Tell whether a name in an address or body is this user: their id or their user name."""
    return is_named(name, id=user.pk, username=user.get_username())


def is_named(name: str, *, id: int, username: str) -> bool:
    """Tell whether a name is a user's id or user name."""
    return name in (str(id), username)


def state_of(ticket: Ticket) -> str:
    """Return the state of an interaction: pending, completed, expired or cancelled."""
    return _STATES[Ticket.Status(ticket.status)]


def interaction_state(ticket: Ticket) -> dict[str, Any]:
    """Return where an interaction stands; no query is made."""
    return {
        "interaction_id": str(ticket.pk),
        "status": state_of(ticket),
        "created_at": iso(ticket.created_at),
        "expires_at": iso(ticket.expires_at),
    }


def interaction(ticket: Ticket, viewer: User) -> dict[str, Any]:
    """Return an interaction with its form and what it is about; no query is made.

    The form is the caller's own where one was sent, else it is made of the frozen question.
    """
    form = ticket.interaction.get("ui_schema")
    question = question_of(ticket.decision)
    if blind := blind_for(ticket, ticket.decision, viewer):
        question = replace(question, options=blind.options(question.options))
    return {
        **interaction_state(ticket),
        "ui_schema": form or ui_schema_of(question, preset=ticket.preset),
        "data": ticket.proposal or ticket.pipeline.get("state") or {},
        "version": ticket.version,
    }


NAMING = ("stakeholders", "approvers")
_TOGETHER = (*NAMING, "voting_options")
# The member that says how many must agree → its words → the share they are.
_AGREEMENT: dict[str, dict[str, str]] = {
    "approval_type": {"all": "all", "majority": "majority", "any": "any"},
    "decision_type": {"consensus": "all", "majority": "majority"},
}


def shaped_by(
    interaction: Mapping[str, Any], question: Question, *, silence_may_allow: bool
) -> Question:
    """Return the question as an interaction asks it: of whom, how many, and what silence means.

    It becomes stricter, never looser.

    :raises Invalid: naming the member that would loosen it, or somebody nobody knows.
    """
    named = {name: member for member in NAMING for name in _people(interaction, member)}
    if named:
        people = dict(User.objects.filter(username__in=named).values_list("username", "pk"))
        in_order = {name: people[name] for name in named}
        with _told_of(next(iter(named.values()))):
            question = ask_only(question, in_order)
    agreement = [member for member in _AGREEMENT if member in interaction]
    for member in agreement:
        with _told_of(member):
            question = ask_share(question, _AGREEMENT[member][interaction[member]])
    if not agreement and any(interaction.get(member) for member in _TOGETHER):
        # Who names people, or brings options to vote on, and says nothing else means all of them;
        # where the checkpoint asks for a number of its own, that stands.
        with suppress(QuestionInvalid):
            question = ask_share(question, "all")
    if "default_action" in interaction:
        with _told_of("default_action"):
            question = mean_by_silence(
                question, interaction["default_action"], may_allow=silence_may_allow
            )
    return question


@contextmanager
def _told_of(member: str) -> Iterator[None]:
    try:
        yield
    except QuestionInvalid as problem:
        messages = dict.fromkeys(error["message"] for error in problem.errors)
        pointer = f"/interaction/{member}"
        raise Invalid(
            errors=[{"pointer": pointer, "message": message} for message in messages]
        ) from problem


def _people(interaction: Mapping[str, Any], member: str) -> list[str]:
    """Return the user names of the people a member names by user name, id or mail address.

    :raises Invalid: for somebody nobody knows.
    """
    names = [name.strip() for name in interaction.get(member) or ()]
    if not names:
        return []
    identities = {name: normalise_identity(name) for name in names}
    humans = User.objects.filter(kind=User.Kind.HUMAN, is_active=True)
    named = dict(humans.filter(username__in=names).values_list("username", "username"))
    named |= {
        str(pk): username
        for pk, username in humans.filter(
            pk__in=[int(name) for name in names if name.isascii() and name.isdigit()
                    and len(name) < 10]
        ).values_list("pk", "username")
        if str(pk) not in named
    }  # fmt: skip
    known = humans.filter(identity__in=set(identities.values())).order_by("-pk")
    by_identity = dict(known.values_list("identity", "username"))
    found = [named.get(name) or by_identity.get(identities[name]) for name in names]
    errors = [
        {"pointer": f"/interaction/{member}/{place}", "message": "Nobody here has this name."}
        for place, username in enumerate(found)
        if username is None
    ]
    if errors:
        raise Invalid(errors=errors)
    return [username for username in found if username]
