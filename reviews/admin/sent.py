"""What the forms of a ticket's page, at the desk or behind a link, send; read and checked."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest

from approvals.answers import check_plain
from approvals.confirmation import confirmed_by
from approvals.errors import Invalid, VersionRequired
from approvals.models import User
from approvals.options import EDIT_PROPOSAL
from approvals.safeguards import Confirmed
from reviews.admin.card import Card
from reviews.admin.choices import Typed, changed_fields

LONGEST_REMARK = 4000


def typed_of(request: HttpRequest) -> Typed:
    """Return what somebody typed to vote."""
    sent = request.POST
    return Typed(
        choice=sent.get("choice", ""),
        reason=sent.get("reason", ""),
        on_behalf_of=sent.get("on_behalf_of", ""),
        data=sent,
    )


def answer_of(card: Card, typed: Typed, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return choice, reason, response and amendments as the services take them.

    :param content: the proposal of which fields may be changed.
    :raises Refusal: Invalid for what is missing, SchemaMismatch for what cannot be stored.
    """
    check_plain(typed.reason, at="/reason")
    answer: dict[str, Any] = {
        "choice": typed.choice,
        "reason": typed.reason.replace("\r\n", "\n"),
        "on_behalf_of": typed.on_behalf_of,
    }
    choice = card.choice(typed.choice)
    if choice is None or choice.form is None:
        return answer
    if not choice.form.is_valid():
        raise Invalid("Something is missing or not right; see below.")
    answer["reason"] = choice.reason_given().replace("\r\n", "\n")
    if choice.option.form != EDIT_PROPOSAL:
        return answer | {"response": choice.form.values()}
    changed = changed_fields(choice, content)
    if not changed:
        raise Invalid("Nothing differs from the proposal; change a value first.")
    return answer | {"amendments": changed}


def proof_sent(request: HttpRequest, user: User) -> Confirmed:
    """Return how this person is confirmed: by what they typed, or lately in this session.

    :raises Refusal: IdentityNotConfirmed, TooManyTries.
    """
    password, code = (request.POST.get(name, "") for name in ("password", "confirm_code"))
    return confirmed_by(request, user, password=password, code=code)


def version_of(request: HttpRequest) -> int:
    """Return the version the page was made for.

    :raises VersionRequired: where the page did not say.
    """
    text = request.POST.get("version", "")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise VersionRequired
    return int(text)


def reason_of(request: HttpRequest) -> str:
    """Return the reason somebody wrote beside a button.

    :raises Refusal: SchemaMismatch for what cannot be stored.
    """
    reason = request.POST.get("reason", "").replace("\r\n", "\n")
    check_plain(reason, at="/reason")
    return reason


def remark_of(request: HttpRequest) -> str:
    """Return the remark somebody wrote.

    :raises Refusal: Invalid for nothing or too much, SchemaMismatch for what cannot be stored.
    """
    text = request.POST.get("text", "").replace("\r\n", "\n").strip()
    if not 0 < len(text) <= LONGEST_REMARK:
        raise Invalid(f"A remark has 1 to {LONGEST_REMARK} characters.")
    check_plain(text, at="/text")
    return text
