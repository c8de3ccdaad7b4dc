"""What a browser's session knows of how lately its person showed who they are."""

from datetime import timedelta

from allauth.account.internal.flows.login import (
    get_authentication_records,
    record_authentication,
)
from django.http import HttpRequest

from approvals.models import AccessKey, User
from approvals.safeguards import Confirmed
from approvals.services.identity import confirm_identity, has_second_factor
from audit.clock import shown_now

# Signing in counts as well.
LASTS = timedelta(minutes=15)


def confirmed_by(
    request: HttpRequest,
    user: User,
    *,
    key: AccessKey | None = None,
    password: str = "",
    code: str = "",
) -> Confirmed:
    """Return how this call's person is confirmed; a password or code that came along is checked.

    :raises Refusal: IdentityNotConfirmed, TooManyTries.
    """
    if password or code:
        confirm_identity(user=user, password=password, code=code)
        if key is None:
            remember(request, user)
        return "now"
    if key is not None:
        return "token"
    return "lately" if confirmed_lately(request, user) else ""


def confirmed_lately(request: HttpRequest, user: User) -> bool:
    """Tell whether this session's person signed in or confirmed in the last 15 minutes."""
    records = get_authentication_records(request, user)
    age = shown_now().timestamp() - records[-1]["at"] if records else None
    return age is not None and age < LASTS.total_seconds()


def remember(request: HttpRequest, user: User) -> None:
    """Note in the session that its person has just confirmed who they are."""
    record_authentication(request, user, method="confirmed", reauthenticated=True)


def asks_for(user: User) -> str:
    """Return what this person confirms with: `code` or `password`."""
    return "code" if has_second_factor(user) else "password"
