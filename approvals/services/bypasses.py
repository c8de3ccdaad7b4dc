"""The emergency switch: a person throws it for a stated time, and somebody else looks at it later.

Started and ended here alone. What it lets pass, who is told and where it is looked at belongs to
the caller, who hands in what has to happen in the same transaction.
"""

import re
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import QuerySet

from approvals import trail
from approvals.answers import check_plain
from approvals.durations import parse_duration
from approvals.errors import (
    BypassUnreviewed,
    ChannelNotAllowed,
    Invalid,
    MachineCannotBypass,
    NotAllowed,
)
from approvals.models import Bypass, User
from approvals.rows import the_one
from approvals.services.identity import confirm_identity
from audit.chain import instant
from audit.clock import db_now
from audit.context import origin
from audit.services import Draft

RIGHT = "approvals.start_bypass"
LONGEST = timedelta(hours=4)
LEAST_REASON, LONGEST_REASON, LONGEST_INCIDENT = 10, 400, 120
# Where a person proves in the same request who they are. Not by mail, in chat, or by itself.
CHANNELS = frozenset({"web", "api", "command"})

Tell = Callable[[Bypass, Draft], None]
_SHORT = re.compile(r"(?:(\d{1,3})h)?(?:(\d{1,3})m(?:in)?)?", re.ASCII | re.IGNORECASE)


def parse_length(text: str) -> timedelta:
    """Return how long a bypass shall last: `1h`, `30m`, `1h30m` or ISO 8601 (`PT1H`).

    :raises Invalid: for anything else, for less than a minute and for more than four hours.
    """
    given = text.strip().replace(" ", "")
    short = _SHORT.fullmatch(given)
    try:
        if short and given:
            length = timedelta(hours=int(short[1] or 0), minutes=int(short[2] or 0))
        else:
            length = parse_duration(given)
    except ValueError:
        raise Invalid.at("/duration", "Write how long as 30m, 1h or PT1H.") from None
    if not timedelta(minutes=1) <= length <= LONGEST:
        raise Invalid.at("/duration", "A bypass lasts from one minute to four hours.")
    return length


def start_bypass(
    *,
    by: User,
    password: str = "",
    code: str = "",
    reason: str,
    length: timedelta,
    scope: Collection[str] = (),
    incident: str = "",
    tell: Tell,
) -> Bypass:
    """Let what would be asked pass from now on, for so long; the starter shows who they are.

    A password or code is checked at every call: having signed in does not count, however lately.

    :param scope: slugs of checkpoints; none means all.
    :param tell: called in the transaction, with the event that was just recorded.
    :raises Refusal: MachineCannotBypass, ChannelNotAllowed, NotAllowed, Invalid, BypassUnreviewed
        while one of theirs was not looked at; IdentityNotConfirmed, TooManyTries.
    """
    if by.is_machine:
        raise MachineCannotBypass
    if origin().channel not in CHANNELS:
        raise ChannelNotAllowed("A bypass is started at the desk, over the API or by command.")
    if not by.has_perm(RIGHT):
        raise NotAllowed("Starting a bypass takes a right of its own, which you do not hold.")
    reason, incident = _words(reason, incident)
    if not timedelta(0) < length <= LONGEST:
        raise Invalid.at("/duration", "A bypass lasts at most four hours.")
    _refuse_another(by)
    # Before the transaction: the refusal of a wrong one must not undo that it was noted.
    confirm_identity(user=by, password=password, code=code)
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=by.pk)
        now = db_now()
        _refuse_another(by)
        bypass = Bypass.objects.create(
            started_by=by,
            scope=sorted(set(scope)),
            reason=reason,
            incident=incident,
            channel=origin().channel,
            starts_at=now,
            ends_at=now + length,
        )
        facts = {
            "bypass": str(bypass.pk),
            "scope": bypass.scope,
            "until": instant(bypass.ends_at),
            "incident": incident,
        }
        started = trail.tell(
            stream_of(bypass), "bypass.started", by=by, at=now, reason=reason, data=facts
        )
        tell(bypass, started)
    return bypass


def end_bypass(
    *, bypass_id: UUID, by: User | None, open_review: Callable[[Bypass], UUID], tell: Tell
) -> Bypass:
    """End a bypass, by hand or (by nobody) because its time is over; ending twice changes nothing.

    :param open_review: called in the transaction; opens what somebody else looks at it in and
        returns its id.
    :raises Refusal: NotVisible, MachineCannotBypass, NotAllowed.
    """
    if by is not None and by.is_machine:
        raise MachineCannotBypass
    with transaction.atomic():
        bypass = _locked(bypass_id)
        now = db_now()
        if by is not None and by.pk != bypass.started_by_id and not by.has_perm(RIGHT):
            raise NotAllowed("Only who started it, or who may start one, can end a bypass.")
        over = bypass.ends_at <= now
        if bypass.ended_at is not None or (by is None and not over):
            return bypass
        bypass.ended_at = min(bypass.ends_at, now)
        bypass.ended_by = None if over else by
        bypass.review = open_review(bypass)
        bypass.save(update_fields=["ended_at", "ended_by", "review"])
        facts = {"bypass": str(bypass.pk), "by_itself": over, "review": str(bypass.review)}
        ended = trail.tell(
            stream_of(bypass), "bypass.ended", by=bypass.ended_by, at=now, data=facts
        )
        tell(bypass, ended)
    return bypass


def renew_review(
    *, bypass_id: UUID, instead_of: UUID | None, open_review: Callable[[Bypass], UUID]
) -> None:
    """Open the after-review again, because the one before ended without an answer."""
    with transaction.atomic():
        bypass = _locked(bypass_id)
        if bypass.review != instead_of or bypass.reviewed_at is not None:
            return
        bypass.review = open_review(bypass)
        bypass.save(update_fields=["review"])


def mark_reviewed(*, bypass_id: UUID, outcome: str, reason: str, by: User | None) -> None:
    """Note that somebody looked at what passed; its starter may start another from now on."""
    with transaction.atomic():
        bypass = _locked(bypass_id)
        if bypass.ended_at is None or bypass.reviewed_at is not None:
            return
        bypass.reviewed_at = now = db_now()
        bypass.save(update_fields=["reviewed_at"])
        facts = {"bypass": str(bypass.pk), "review": str(bypass.review), "outcome": outcome}
        stream = stream_of(bypass)
        trail.tell(stream, "bypass.reviewed", by=by, at=now, reason=reason, data=facts)


def covering(*, place: str, now: datetime) -> Bypass | None:
    """Return the bypass under which what is asked at this place passes now, or None.

    It cannot be ended before the present transaction is, so that what passes under it is in its
    review. Others pass under it at the same time.
    """
    share = " FOR SHARE" if connection.vendor == "postgresql" else ""
    at = connection.ops.adapt_datetimefield_value(now)
    running = Bypass.objects.raw(
        "SELECT * FROM approvals_bypass "  # noqa: S608 - the lock is a constant
        f"WHERE ended_at IS NULL AND ends_at > %s AND starts_at <= %s ORDER BY id{share}",
        [at, at],
    )
    return next((bypass for bypass in running if bypass.covers(place)), None)


def running(now: datetime) -> QuerySet[Bypass]:
    """Return the bypasses under which something passes now, the earliest end first."""
    standing = Bypass.objects.filter(ended_at__isnull=True, ends_at__gt=now, starts_at__lte=now)
    return standing.select_related("started_by").order_by("ends_at")


def stream_of(bypass: Bypass) -> str:
    """Return the name of a bypass's audit stream."""
    return f"bypass:{bypass.pk}"


def _locked(bypass_id: UUID) -> Bypass:
    rows = Bypass.objects.select_for_update(of=("self",)).select_related("started_by")
    return the_one(rows.filter(pk=bypass_id))


def _refuse_another(by: User) -> None:
    # By identity, not by account: a second account of the same person starts none either.
    mine = Bypass.objects.filter(started_by__identity=by.identity, reviewed_at__isnull=True)
    standing = mine.first()
    if standing is not None:
        review = None if standing.review is None else str(standing.review)
        over = "was not looked at yet" if review else "is still running"
        raise BypassUnreviewed(
            f"Your last bypass {over}. Until somebody else has reviewed it, you start no other.",
            bypass=str(standing.pk),
            review=review,
        )


def _words(reason: str, incident: str) -> tuple[str, str]:
    reason, incident = reason.strip(), incident.strip()
    check_plain(reason, at="/reason")
    check_plain(incident, at="/incident")
    if not LEAST_REASON <= len(reason) <= LONGEST_REASON:
        raise Invalid.at("/reason", f"Say why, in {LEAST_REASON} to {LONGEST_REASON} characters.")
    if len(incident) > LONGEST_INCIDENT:
        raise Invalid.at("/incident", f"Keep it within {LONGEST_INCIDENT} characters.")
    return reason, incident
