"""Make sure that it is really this person: the password again, or the second factor's code."""

from datetime import timedelta
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, validate_totp_code
from django.db import transaction

from approvals.errors import IdentityNotConfirmed, MachineCannotVote, TooManyTries, WrongState
from approvals.models import User
from approvals.trail import actor_for, tell
from audit.clock import db_now
from audit.models import AuditEvent
from audit.services import Draft, record_alone

WRONG_AT_MOST = 5
WITHIN = timedelta(minutes=15)
_WRONG = "identity.not_confirmed"


def has_second_factor(user: User) -> bool:
    """Tell whether this person has set up a second factor."""
    return bool(_factors(user).filter(type=Authenticator.Type.TOTP).exists())


def confirm_identity(*, user: User, password: str = "", code: str = "") -> None:
    """Return if this is the person; whoever has a second factor shows its code, others a password.

    A recovery code counts as a code and is spent. Each wrong try is told in the audit trail, so
    call this before the transaction of the act itself begins: its refusal would undo that.

    :raises Refusal: IdentityNotConfirmed; TooManyTries after five wrong ones in 15 minutes;
        MachineCannotVote.
    """
    if user.is_machine:
        raise MachineCannotVote
    stream, now = f"identity:{user.pk}", db_now()
    # Several tries at once may all look before one of them is told: as many as there are threads.
    wrong = AuditEvent.objects.filter(stream=stream, type=_WRONG, at__gt=now - WITHIN)
    tries = list(wrong.order_by("-seq").values_list("at", flat=True)[:WRONG_AT_MOST])
    if len(tries) >= WRONG_AT_MOST:
        again = tries[-1] + WITHIN - now
        raise TooManyTries(retry_after=max(1, int(again.total_seconds())))
    asked_for = "code" if has_second_factor(user) else "password"
    given = code if asked_for == "code" else password
    if not given:
        raise IdentityNotConfirmed(
            errors=[{"pointer": f"/{asked_for}", "message": _ASKED[asked_for]}], needs=asked_for
        )
    good = _is_code(user, code) if asked_for == "code" else user.check_password(password)
    if user.is_active and good:
        return
    record_alone(stream, Draft(_WRONG, now, actor_for(user), data={"by": asked_for}))
    raise IdentityNotConfirmed(
        _WRONG_SENTENCE[asked_for],
        errors=[{"pointer": f"/{asked_for}", "message": _WRONG_SENTENCE[asked_for]}],
        needs=asked_for,
    )


_ASKED = {
    "password": "Give your password.",
    "code": "Give the code your authenticator shows, or a recovery code.",
}
_WRONG_SENTENCE = {
    "password": "This is not your password.",
    "code": "This code is not right, or was used before.",
}


def _is_code(user: User, code: str) -> bool:
    code = code.strip().replace(" ", "")
    kinds = (Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES)
    for factor in _factors(user).filter(type__in=kinds):
        if factor.wrap().validate_code(code):
            factor.record_usage()
            return True
    return False


def set_up_second_factor(*, user: User, secret: str, code: str) -> list[str]:
    """Ask this person for a code at every sign-in from now on; return their recovery codes.

    :param secret: what the person's authenticator was given; `code` proves that it has it.
    :raises Refusal: IdentityNotConfirmed for a wrong code, WrongState where one is set up already.
    """
    with transaction.atomic():
        _locked(user)
        if has_second_factor(user):
            raise WrongState("A second factor is set up already.")
        if not validate_totp_code(secret, code.strip().replace(" ", "")):
            raise IdentityNotConfirmed(_WRONG_SENTENCE["code"])
        TOTP.activate(user, secret)
        codes: list[str] = RecoveryCodes.activate(user).get_unused_codes()
        tell(f"identity:{user.pk}", "identity.second_factor_set_up", by=user, at=db_now())
    return codes


def renew_recovery_codes(*, user: User) -> list[str]:
    """Make new recovery codes; the old ones open nothing any more.

    :raises Refusal: WrongState without a second factor.
    """
    with transaction.atomic():
        _locked(user)
        if not has_second_factor(user):
            raise WrongState("There is no second factor to recover.")
        _factors(user).filter(type=Authenticator.Type.RECOVERY_CODES).delete()
        codes: list[str] = RecoveryCodes.activate(user).get_unused_codes()
        tell(f"identity:{user.pk}", "identity.recovery_codes_renewed", by=user, at=db_now())
    return codes


def remove_second_factor(*, user: User) -> None:
    """Ask for the password alone again."""
    with transaction.atomic():
        _locked(user)
        if has_second_factor(user):
            _factors(user).delete()
            tell(f"identity:{user.pk}", "identity.second_factor_removed", by=user, at=db_now())


def _locked(user: User) -> None:
    User.objects.select_for_update(no_key=True).get(pk=user.pk)


def _factors(user: User) -> Any:
    return Authenticator.objects.filter(user=user)
