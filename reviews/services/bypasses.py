"""Start and end an emergency bypass, and tell those who must know: by mail, by webhook."""

import logging
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import Group

from approvals.errors import Invalid
from approvals.models import Bypass, User
from approvals.services import bypasses
from audit.clock import db_now
from audit.services import Draft
from reviews import outbox
from reviews.models import WebhookEndpoint
from reviews.ready.roles import AUDITOR, LEAD, MANAGER
from reviews.representation import envelope, iso
from reviews.services.bypass_reviews import conclude_reviews, open_review, passable
from reviews.services.ready import load_bypass_review
from reviews.services.turns import writing

log = logging.getLogger(__name__)

TOLD_ROLES = (LEAD, MANAGER, AUDITOR)
ANNOUNCEMENT = "announcement"  # the channel of a mail that is about no ticket


def start_bypass(
    *,
    by: User,
    password: str = "",
    code: str = "",
    reason: str,
    duration: str,
    checkpoints: Sequence[str] = (),
    incident: str = "",
) -> Bypass:
    """Let what people would be asked pass for a time, and tell everybody who must know.

    :param duration: `30m`, `1h`, or ISO 8601.
    :param checkpoints: slugs; none means everywhere.
    :raises Refusal: see `approvals.services.bypasses.start_bypass`.
    """
    length = bypasses.parse_length(duration)
    scope, strangers = passable(list(checkpoints))
    if strangers:
        message = f"There is no checkpoint `{strangers[0][:60]}` that could be passed."
        raise Invalid.at("/checkpoints", message)
    # It may have been looked at this very second.
    conclude_reviews()
    load_bypass_review()
    return bypasses.start_bypass(
        by=by,
        password=password,
        code=code,
        reason=reason,
        length=length,
        scope=scope,
        incident=incident,
        tell=_tell,
    )


def end_bypass(*, bypass_id: UUID, by: User | None) -> Bypass:
    """End a bypass, open its review, and tell the same people.

    :raises Refusal: see `approvals.services.bypasses.end_bypass`; Busy.
    """
    with writing():
        return bypasses.end_bypass(bypass_id=bypass_id, by=by, open_review=open_review, tell=_tell)


def sweep_bypasses() -> None:
    """End what is over, and note what was looked at."""
    standing = Bypass.objects.filter(reviewed_at__isnull=True)
    if not standing.exists():
        return
    now = db_now()
    for pk in standing.filter(ended_at__isnull=True, ends_at__lte=now).values_list("pk", flat=True):
        try:
            end_bypass(bypass_id=pk, by=None)
        except Exception:
            log.exception("bypass %s cannot be ended", pk)
    conclude_reviews()


def people_told() -> list[User]:
    """Return who is told by mail when a bypass starts or ends, each person once."""
    people = User.objects.filter(
        groups__in=Group.objects.filter(name__in=TOLD_ROLES),
        kind=User.Kind.HUMAN,
        is_active=True,
    ).exclude(email="")
    found: dict[str, User] = {}
    for person in people.order_by("pk"):
        found.setdefault(person.identity, person)
    return list(found.values())


def _tell(bypass: Bypass, draft: Draft) -> None:
    rows = [
        outbox.delivery(draft, ANNOUNCEMENT, str(person.pk), body={"bypass": str(bypass.pk)})
        for person in (people_told() if settings.MAIL_NOTICES else [])
    ]
    body = envelope(draft, subject=bypass.pk, data=bypass_members(bypass))
    rows += [
        outbox.delivery(draft, "webhook", str(endpoint.pk), endpoint=endpoint, body=body)
        for endpoint in WebhookEndpoint.objects.filter(disabled_at__isnull=True).select_related(
            "checkpoint"
        )
        if _hears(endpoint, bypass, draft)
    ]
    outbox.store(rows, about=bypass.pk)


def _hears(endpoint: WebhookEndpoint, bypass: Bypass, draft: Draft) -> bool:
    if endpoint.types and draft.type not in endpoint.types:
        return False
    return endpoint.checkpoint is None or bypass.covers(endpoint.checkpoint.slug)


def bypass_members(bypass: Bypass) -> dict[str, Any]:
    """Return a bypass as it reads outside: in the API and in webhooks."""
    return {
        "id": str(bypass.pk),
        "by": bypass.started_by.get_username(),
        "by_label": bypass.started_by.label,
        "scope": bypass.scope,
        "reason": bypass.reason,
        "incident": bypass.incident or None,
        "channel": bypass.channel,
        "starts_at": iso(bypass.starts_at),
        "ends_at": iso(bypass.ends_at),
        "ended_at": iso(bypass.ended_at),
        "ended_by": bypass.ended_by.get_username() if bypass.ended_by else None,
        "review": str(bypass.review) if bypass.review else None,
        "reviewed_at": iso(bypass.reviewed_at),
    }
