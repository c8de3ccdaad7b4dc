"""Who holds which right. The only place that knows how rights are stored."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from django.contrib.auth.models import Group
from django.db import connection
from django.db.models import QuerySet
from guardian.shortcuts import assign_perm, get_groups_with_perms, remove_perm

from approvals.models import ApprovalPolicy, PolicyStage, StageGrant

if TYPE_CHECKING:
    from approvals.models import User

VOTE = "vote_policystage"
OVERRIDE = "override_approvalpolicy"

Seat = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Holder:
    """One user as the rights stand now: `seats` are (stage position, role name).

    `excluded_as` says why a decision is their own work; None when it is not, or no decision asked.
    """

    user_id: int
    username: str
    is_active: bool
    is_human: bool
    seats: frozenset[Seat]
    excluded_as: str | None = None

    @property
    def names(self) -> frozenset[int | str]:
        return frozenset((self.user_id, self.username))


_GRANTS = """
SELECT p.group_id, s.position, g.name
FROM approvals_policystage s
JOIN approvals_stagegrant p ON p.content_object_id = s.id
JOIN auth_permission a ON a.id = p.permission_id AND a.codename = 'vote_policystage'
JOIN auth_group g ON g.id = p.group_id
WHERE s.policy_id = %s
"""
# By identity, not by account: a second account of an excluded person made later is one as well.
_EXCLUDED = """
SELECT o.identity, MIN(e.why) AS why
FROM approvals_exclusion e
JOIN approvals_user o ON o.id = e.user_id
WHERE e.decision_id = %s
GROUP BY o.identity
"""
# The texts in braces are the constants above, never anything a caller sends.
_HOLDERS = f"""
SELECT u.id, u.username, u.is_active, u.kind, e.why, x.position, x.name
FROM approvals_user u
LEFT JOIN ({_EXCLUDED}) e ON e.identity = u.identity
LEFT JOIN approvals_user_groups m ON m.user_id = u.id
LEFT JOIN ({_GRANTS}) x ON x.group_id = m.group_id
WHERE u.id IN (%s)
"""  # noqa: S608
_EVERYBODY = f"""
SELECT u.id, u.username, u.is_active, u.kind, e.why, x.position, x.name
FROM ({_GRANTS}) x
JOIN approvals_user_groups m ON m.group_id = x.group_id
JOIN approvals_user u ON u.id = m.user_id
LEFT JOIN ({_EXCLUDED}) e ON e.identity = u.identity
WHERE u.kind = 'human' AND u.is_active
"""  # noqa: S608


def holders(*, policy_id: UUID, user_ids: Iterable[int], decision_id: UUID) -> dict[int, Holder]:
    """Return these users, their seats on a policy's stages and exclusions, in one query."""
    ids = sorted(set(user_ids))
    if not ids:
        return {}
    # "IN (…)" is the last marker; the text of the subquery holds one of its own.
    head, _, tail = _HOLDERS.rpartition("%s")
    query = f"{head}{', '.join(['%s'] * len(ids))}{tail}"
    return _read(query, [_uuid(decision_id), _uuid(policy_id), *ids])


def everybody_seated(*, policy_id: UUID, decision_id: UUID | None = None) -> dict[int, Holder]:
    """Return every active person who holds a seat on a policy's stages, in one query."""
    return _read(_EVERYBODY, [_uuid(policy_id), decision_id and _uuid(decision_id)])


def _uuid(value: UUID) -> UUID | str:
    return value if connection.features.has_native_uuid_field else value.hex


def _read(query: str, parameters: Sequence[int | UUID | str | None]) -> dict[int, Holder]:
    people: dict[int, tuple[str, bool, bool, str | None, set[Seat]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        for user_id, username, is_active, kind, why, position, role in cursor.fetchall():
            new = (username, bool(is_active), kind == "human", why, set[Seat]())
            row = people.setdefault(user_id, new)
            if position is not None:
                row[4].add((position, role))
    return {
        user_id: Holder(user_id, username, active, human, frozenset(seats), why)
        for user_id, (username, active, human, why, seats) in people.items()
    }


def policies_open_to(user: "User") -> QuerySet[PolicyStage, UUID]:
    """Return the ids of the policies on whose stages one of the user's roles may vote."""
    return PolicyStage.objects.filter(
        pk__in=StageGrant.objects.filter(
            group__in=user.groups.values("pk"), permission__codename=VOTE
        ).values("content_object")
    ).values_list("policy_id", flat=True)


def grant_votes(*, stage: PolicyStage, roles: Iterable[Group]) -> None:
    """Let the people of these roles vote on a stage."""
    for role in roles:
        assign_perm(VOTE, role, stage)


def grant_override(*, policy: ApprovalPolicy, roles: Iterable[Group]) -> None:
    """Let the people of these roles replace decisions made under a policy."""
    for role in roles:
        assign_perm(OVERRIDE, role, policy)


def overriding_roles(policy: ApprovalPolicy) -> list[str]:
    """Return the names of the roles whose people may replace decisions under this version."""
    return sorted(role.name for role in _overriding(policy))


def revoke_votes(*, role: Group, policy_slug: str) -> None:
    """Take a role's vote away on every version of a policy; open questions feel it at once."""
    for stage in PolicyStage.objects.filter(policy__slug=policy_slug):
        remove_perm(VOTE, role, stage)


def may_override(*, user: "User", policy: ApprovalPolicy) -> bool:
    """Tell whether one of the user's roles may replace decisions under this policy.

    Being a superuser is not such a role.
    """
    holding = {role.pk for role in _overriding(policy)}
    return user.is_active and user.groups.filter(pk__in=holding).exists()


def _overriding(policy: ApprovalPolicy) -> list[Group]:
    with_rights: dict[Group, list[str]] = get_groups_with_perms(policy, attach_perms=True)  # type: ignore[assignment]
    return [role for role, rights in with_rights.items() if OVERRIDE in rights]
