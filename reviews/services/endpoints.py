"""Addresses that hear of events: make, rotate, switch off and on, try."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from approvals.errors import Invalid, WrongState
from approvals.models import User
from approvals.rows import the_one
from approvals.trail import actor_for, tell
from audit.chain import instant
from audit.clock import db_now
from audit.services import SYSTEM, Draft
from reviews import outbox
from reviews.models import Checkpoint, Delivery, WebhookEndpoint
from reviews.outbound import why_refused
from reviews.representation import envelope
from reviews.signatures import SHARED, new_secret, signing_of

# Everything that is told of a ticket, and what else an endpoint may ask for; none named: all.
EVENT_TYPES = (
    "ticket.opened",
    "ticket.review_requested",
    "ticket.settled",
    "ticket.assigned",
    "ticket.claimed",
    "ticket.released",
    "ticket.skipped",
    "ticket.commented",
    "ticket.test_mail_sent",
    "ticket.link_requested",
    "ticket.vote_cast",
    "ticket.vote_withdrawn",
    "ticket.returned",
    "ticket.resubmitted",
    "ticket.due_soon",
    "ticket.breached",
    "ticket.reminded",
    "ticket.escalated",
    "ticket.decided",
    "ticket.revoked",
    "ticket.revocation_seen",
    "ticket.overridden",
    "ticket.expired",
    "ticket.cancelled",
    "ticket.consumed",
    "ticket.result_recorded",
    "ticket.next_step_refused",
    "checkpoint.paused",
    "checkpoint.resumed",
    "bypass.started",
    "bypass.used",
    "bypass.ended",
    "learning.override_rate_high",
    "learning.pattern_found",
    "learning.recalibrate",
)
PING = "ping"
# How long the secret before the last still signs, so that a receiver can change over in peace.
OVERLAP = timedelta(hours=24)


def create_endpoint(
    *,
    name: str,
    url: str,
    types: Sequence[str] = (),
    checkpoint: Checkpoint | None = None,
    signing: str = SHARED,
    by: User,
) -> WebhookEndpoint:
    """Make an endpoint that hears of the named event types, or of all; its secret is on the row.

    :param signing: one of `SIGNINGS`.
    :raises Invalid: for an address that may not be called, or types that do not exist.
    """
    _check(name=name, url=url, types=types)
    with transaction.atomic():
        now = db_now()
        endpoint = WebhookEndpoint.objects.create(
            name=name,
            url=url,
            types=list(dict.fromkeys(types)),
            checkpoint=checkpoint,
            secret=new_secret(signing),
            created_by=by,
            created_at=now,
        )
        data = {"types": endpoint.types, "signing": signing}
        _tell(endpoint, "webhook.created", by=by, now=now, data=data)
    return endpoint


def _check(*, name: str, url: str, types: Sequence[str]) -> None:
    errors = []
    if problem := why_refused(url):
        errors.append({"pointer": "/url", "message": problem})
    if len(url) > 500:
        errors.append({"pointer": "/url", "message": "Keep it within 500 characters."})
    if not 0 < len(name) <= 80:
        errors.append({"pointer": "/name", "message": "Give a name of 1 to 80 characters."})
    if unknown := [name for name in types if name not in EVENT_TYPES]:
        errors.append({"pointer": "/types", "message": f"There is no event {unknown[0]}."})
    if errors:
        raise Invalid(errors=errors)


def change_endpoint(
    *,
    endpoint_id: UUID,
    name: str,
    url: str,
    types: Sequence[str],
    checkpoint: Checkpoint | None,
    by: User,
) -> WebhookEndpoint:
    """Set what an endpoint hears and where; what waits goes to the address it has when it leaves.

    :raises Refusal: NotVisible, Invalid as for a new one.
    """
    _check(name=name, url=url, types=types)
    with _locked(endpoint_id) as (endpoint, now):
        given = {
            "name": name,
            "url": url,
            "types": list(dict.fromkeys(types)),
            "checkpoint_id": checkpoint.pk if checkpoint else None,
        }
        changed = [one for one, value in given.items() if getattr(endpoint, one) != value]
        for one in changed:
            setattr(endpoint, one, given[one])
        if changed:
            endpoint.save(update_fields=changed)
            # Not the address itself: it may carry a token.
            told = [one.removesuffix("_id") for one in changed]
            _tell(endpoint, "webhook.changed", by=by, now=now, data={"changed": told})
    return endpoint


def rotate_secret(*, endpoint_id: UUID, signing: str | None = None, by: User) -> WebhookEndpoint:
    """Give an endpoint a new secret; the one before signs beside it for a day.

    :param signing: one of `SIGNINGS`, where the new one shall sign another way.
    :raises NotVisible: when there is no such endpoint.
    """
    with _locked(endpoint_id) as (endpoint, now):
        endpoint.previous_secret = endpoint.secret
        endpoint.previous_secret_until = now + OVERLAP
        endpoint.secret = new_secret(signing or signing_of(endpoint.secret))
        endpoint.save(update_fields=["secret", "previous_secret", "previous_secret_until"])
        data = {
            "previous_until": instant(endpoint.previous_secret_until),
            "signing": signing_of(endpoint.secret),
        }
        _tell(endpoint, "webhook.secret_rotated", by=by, now=now, data=data)
    return endpoint


def disable_endpoint(*, endpoint_id: UUID, why: str, by: User) -> WebhookEndpoint:
    """Send nothing to an endpoint any more; what waits for it is parked.

    :raises NotVisible: when there is no such endpoint.
    """
    with _locked(endpoint_id) as (endpoint, now):
        switch_off(endpoint_id=endpoint.pk, why=why, by=by, now=now)
    endpoint.refresh_from_db()
    return endpoint


def enable_endpoint(*, endpoint_id: UUID, by: User) -> WebhookEndpoint:
    """Let an endpoint hear of events again, from now on; what was parked stays parked.

    :raises NotVisible: when there is no such endpoint.
    """
    with _locked(endpoint_id) as (endpoint, now):
        if endpoint.disabled_at is not None:
            endpoint.disabled_at, endpoint.disabled_why = None, ""
            endpoint.save(update_fields=["disabled_at", "disabled_why"])
            _tell(endpoint, "webhook.enabled", by=by, now=now)
    return endpoint


def send_test(*, endpoint_id: UUID, by: User) -> Delivery:
    """Let a `ping` leave for an endpoint, on the way everything else takes; return its row.

    :raises Refusal: NotVisible, WrongState while the endpoint is disabled.
    """
    with _locked(endpoint_id) as (endpoint, now):
        if endpoint.disabled_at is not None:
            raise WrongState("The endpoint is disabled; enable it first.")
        data = {"endpoint": endpoint.name, "asked_by": by.get_username()}
        # No fact of the audit: nothing happened but that somebody tried.
        ping = Draft(PING, now, actor_for(by))
        body = envelope(ping, subject=endpoint.pk, data=data)
        row = outbox.delivery(ping, "webhook", str(endpoint.pk), body=body, endpoint=endpoint)
        outbox.store([row], about=endpoint.pk)
    return row


def switch_off(*, endpoint_id: UUID, why: str, by: User | None, now: datetime) -> None:
    """Disable an endpoint inside the caller's transaction and park what waits for it."""
    endpoint = WebhookEndpoint.objects.select_for_update().filter(pk=endpoint_id).first()
    if endpoint is None or endpoint.disabled_at is not None:
        return
    endpoint.disabled_at, endpoint.disabled_why = now, why[:200]
    endpoint.save(update_fields=["disabled_at", "disabled_why"])
    Delivery.objects.filter(endpoint=endpoint, state=Delivery.State.WAITING).update(
        state=Delivery.State.PARKED,
        next_attempt_at=None,
        last_error="The endpoint was disabled.",
    )
    _tell(endpoint, "webhook.disabled", by=by, now=now, reason=why)


@contextmanager
def _locked(endpoint_id: UUID) -> Iterator[tuple[WebhookEndpoint, datetime]]:
    with transaction.atomic():
        rows = WebhookEndpoint.objects.select_for_update(of=("self",))
        yield the_one(rows.filter(pk=endpoint_id)), db_now()


def _tell(
    endpoint: WebhookEndpoint,
    type: str,
    *,
    by: User | None,
    now: datetime,
    reason: str = "",
    data: dict[str, Any] | None = None,
) -> None:
    facts = {"endpoint": str(endpoint.pk), "name": endpoint.name, **(data or {})}
    tell(SYSTEM, type, by=by, at=now, reason=reason, data=facts)
