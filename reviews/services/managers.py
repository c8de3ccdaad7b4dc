"""Tell the other managers when one of them publishes or saves something that asks less."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from approvals.models import ApprovalPolicy, User
from approvals.services.policies import publish_policy
from audit.models import AuditEvent
from reviews import outbox

WEAKENED = "weakened"  # the channel of a mail that tells of it
PUBLISH = "approvals.add_approvalpolicy"
CHANGE_CHECKPOINT = "reviews.change_checkpoint"


def other_managers(user: User, right: str) -> list[User]:
    """Return everybody else who holds a manager's right and can sign in, each person once."""
    people = User.objects.with_perm(
        right, backend="django.contrib.auth.backends.ModelBackend", is_active=True
    )
    others = people.filter(kind=User.Kind.HUMAN).exclude(identity=user.identity)
    found: dict[str, User] = {}
    for person in others.order_by("pk"):
        found.setdefault(person.identity, person)
    return list(found.values())


def publish_and_tell(*, by: User, now: datetime, **version: Any) -> ApprovalPolicy:
    """Publish a version; where it asks less than before, the other managers are written to.

    :raises Refusal: as publishing it would.
    """
    with transaction.atomic():
        policy = publish_policy(by=by, now=now, **version)
        if policy.weakens:
            told = AuditEvent.objects.filter(
                stream=f"policy:{policy.slug}", type="policy.published"
            )
            event = told.order_by("-seq")[0]
            tell_managers(
                event,
                what=str(policy),
                weakens=event.data["weakens"],
                page=reverse("admin:approvals_approvalpolicy_change", args=[policy.pk]),
                right=PUBLISH,
                by=by,
            )
    return policy


def tell_managers(
    fact: outbox.Fact,
    *,
    what: str,
    weakens: Sequence[str],
    page: str,
    right: str,
    by: User,
) -> None:
    """Write a row for each mail, in the transaction of what it tells of."""
    if not settings.MAIL_NOTICES:
        return
    body = {"what": what, "weakens": list(weakens), "page": page, "by": by.label}
    rows = [
        outbox.delivery(fact, WEAKENED, str(person.pk), body=body)
        for person in other_managers(by, right)
        if person.email
    ]
    outbox.store(rows, about=fact.id)
