"""Say on the record that somebody looked: at who is in a role, at the audit trail."""

from datetime import datetime, timedelta

from django.contrib.auth.models import Group
from django.db.models import Max

from approvals.errors import NotAllowed
from approvals.models import User
from approvals.trail import actor_for
from audit.clock import db_now
from audit.models import AuditEvent
from audit.services import Draft, record_alone

ROLE_REVIEWED = "role.reviewed"
AUDIT_REVIEWED = "audit.reviewed"
# A story of its own: the last review is found without reading the trail.
AUDIT_STREAM = "audit"
ROLES_EVERY = timedelta(days=30)
AUDIT_EVERY = timedelta(days=90)


def review_role(*, role: Group, by: User) -> None:
    """Record that somebody looked at who is in a role and what asks it.

    :raises NotAllowed: for a machine, and for who may not see roles.
    """
    _check(by, "auth.view_group")
    people = role.user_set.filter(kind=User.Kind.HUMAN, is_active=True).count()
    data = {"role": role.name, "people": people}
    record_alone(f"role:{role.pk}", Draft(ROLE_REVIEWED, db_now(), actor_for(by), data=data))


def review_audit(*, by: User) -> None:
    """Record that somebody looked through the audit trail.

    :raises NotAllowed: for a machine, and for who may not read it.
    """
    _check(by, "audit.view_auditevent")
    record_alone(AUDIT_STREAM, Draft(AUDIT_REVIEWED, db_now(), actor_for(by)))


def role_reviews(role_ids: list[int]) -> dict[int, datetime]:
    """Return when each of these roles was last reviewed; one that never was is absent."""
    found = (
        AuditEvent.objects.filter(stream__in=[f"role:{pk}" for pk in role_ids], type=ROLE_REVIEWED)
        .order_by()
        .values_list("stream")
        .annotate(last=Max("at"))
    )
    return {int(stream.partition(":")[2]): last for stream, last in found}


def audit_review() -> datetime | None:
    """Return when the audit trail was last reviewed, or None."""
    reviews = AuditEvent.objects.filter(stream=AUDIT_STREAM, type=AUDIT_REVIEWED)
    return reviews.order_by("-at").values_list("at", flat=True).first()


def began() -> datetime | None:
    """Return when the first thing was told: from then on reviews are owed."""
    return AuditEvent.objects.order_by("at").values_list("at", flat=True).first()


def _check(by: User, right: str) -> None:
    if by.is_machine:
        raise NotAllowed("A review is a person's.")
    if not by.has_perm(right):
        raise NotAllowed("You may not see what you would review.")
