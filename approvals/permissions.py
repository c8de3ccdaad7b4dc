"""Who holds which right. The only place that knows how rights are stored."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet
from guardian.shortcuts import assign_perm, get_groups_with_perms, remove_perm

from approvals.models import (
    Appointment,
    ApprovalPolicy,
    Delegation,
    PolicyStage,
    StageGrant,
)
from approvals.rosters import Roster, read_shifts

if TYPE_CHECKING:
    from approvals.models import User

VOTE = "vote_policystage"
OVERRIDE = "override_approvalpolicy"

Seat = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Loan:
    """What somebody lends now: the lender with the seats that are lent, and until when."""

    lender: "Holder"
    until: datetime


@dataclass(frozen=True, slots=True)
class Holder:
    """One user as the rights stand now: `seats` are (stage position, role name).

    `on_call` are those of them that may be used only in certain hours, and in which.
    `excluded_as` says why a decision is their own work; None when it is not, or no decision asked.
    `loans` are those this user may vote for, by the lender's id. A loan holds the lender's own
    seats and no loan, so it is one step deep however the rows stand. Accounts of one person share
    their `identity`; one without is nobody else's.
    """

    user_id: int
    username: str
    is_active: bool
    is_human: bool
    seats: frozenset[Seat]
    excluded_as: str | None = None
    loans: Mapping[int, Loan] = field(default_factory=dict)
    on_call: Mapping[Seat, Roster] = field(default_factory=dict)
    identity: str = ""

    @property
    def person(self) -> int | str:
        """Return what is the same for all accounts of one person."""
        return self.identity or self.user_id

    def seats_at(self, at: datetime) -> frozenset[Seat]:
        """Return the seats this user may use at an instant."""
        if not self.on_call:
            return self.seats
        off = {seat for seat, roster in self.on_call.items() if not roster.covers(at)}
        return self.seats - off

    @property
    def names(self) -> frozenset[int | str]:
        return frozenset((self.user_id, self.username))


# A role whose person each decision appoints (`appoints`) gives its members nothing.
_GRANTS = """
SELECT p.group_id, s.position, g.name, f.hours, f.time_zone,
    COALESCE(f.kind, 'members') <> 'members' AS appoints
FROM approvals_policystage s
JOIN approvals_stagegrant p ON p.content_object_id = s.id
JOIN auth_permission a ON a.id = p.permission_id AND a.codename = 'vote_policystage'
JOIN auth_group g ON g.id = p.group_id
LEFT JOIN approvals_roleprofile f ON f.role_id = p.group_id
WHERE s.policy_id = %(policy)s
"""
_IN_FORCE = "l.ended_at IS NULL AND l.starts_at <= %(now)s AND l.ends_at > %(now)s"
# By identity, not by account: a second account of an excluded person made later is one as well.
# So is whoever votes for an excluded person now; who only did so when the question was opened
# stands in the rows, and does not pass it on.
_EXCLUDED = f"""
SELECT w.identity, MAX(w.why) AS why
FROM (
    SELECT o.identity, e.why
    FROM approvals_exclusion e
    JOIN approvals_user o ON o.id = e.user_id
    WHERE e.decision_id = %(decision)s
    UNION ALL
    SELECT d.identity, 'delegate'
    FROM approvals_exclusion e
    JOIN approvals_user o ON o.id = e.user_id
    JOIN approvals_user v ON v.identity = o.identity
    JOIN approvals_delegation l ON l.lender_id = v.id AND {_IN_FORCE}
    JOIN approvals_user d ON d.id = l.delegate_id
    WHERE e.decision_id = %(decision)s AND e.why <> 'delegate'
) w
GROUP BY w.identity
"""  # noqa: S608
_LENT = """
(NOT l.limited OR EXISTS (
    SELECT 1 FROM approvals_delegation_roles r
    WHERE r.delegation_id = l.id AND r.group_id = {role}
))
"""
_LENT_MEMBER = _LENT.format(role="m.group_id")
_LENT_APPOINTED = _LENT.format(role="o.role_id")
# The texts in braces are the constants above, never anything a caller sends; `people` becomes
# one marker per person.
_HOLDERS = f"""
SELECT u.id, u.username, u.is_active, u.kind, e.why, x.position, x.name, x.hours, x.time_zone,
    l.delegate_id, l.ends_at, u.identity
FROM (
    SELECT id AS person_id, NULL AS delegate_id, NULL AS id, NULL AS ends_at, NULL AS limited
    FROM approvals_user WHERE id IN (people)
    UNION ALL
    SELECT l.lender_id, l.delegate_id, l.id, l.ends_at, l.limited
    FROM approvals_delegation l WHERE l.delegate_id IN (people) AND {_IN_FORCE}
) l
JOIN approvals_user u ON u.id = l.person_id
LEFT JOIN ({_EXCLUDED}) e ON e.identity = u.identity
LEFT JOIN approvals_user_groups m ON m.user_id = u.id AND (l.id IS NULL OR {_LENT_MEMBER})
LEFT JOIN approvals_appointment o ON o.user_id = u.id AND o.decision_id = %(decision)s
    AND (l.id IS NULL OR {_LENT_APPOINTED})
LEFT JOIN ({_GRANTS}) x ON (x.group_id = m.group_id AND NOT x.appoints)
    OR (x.group_id = o.role_id AND x.appoints)
"""  # noqa: S608
# A role that appoints and has nobody yet is a row without a person, which names the role.
_EVERYBODY = f"""
SELECT u.id, u.username, u.is_active, u.kind, e.why, x.position, x.name, x.hours,
    x.time_zone, CASE WHEN u.id IS NULL THEN x.group_id END, NULL, u.identity
FROM ({_GRANTS}) x
LEFT JOIN approvals_user_groups m ON m.group_id = x.group_id AND NOT x.appoints
LEFT JOIN approvals_appointment o ON o.role_id = x.group_id AND x.appoints
    AND o.decision_id = %(decision)s
LEFT JOIN approvals_user u ON u.id = COALESCE(m.user_id, o.user_id)
LEFT JOIN ({_EXCLUDED}) e ON e.identity = u.identity
WHERE (u.kind = 'human' AND u.is_active) OR (x.appoints AND u.id IS NULL)
"""  # noqa: S608
_ROLES = f"""
SELECT m.user_id, m.user_id, m.group_id FROM approvals_user_groups m WHERE m.user_id IN (people)
UNION ALL
SELECT l.delegate_id, l.lender_id, m.group_id
FROM approvals_delegation l
JOIN approvals_user u ON u.id = l.lender_id AND u.is_active
JOIN approvals_user_groups m ON m.user_id = u.id
WHERE l.delegate_id IN (people) AND {_IN_FORCE} AND {_LENT_MEMBER}
"""  # noqa: S608


# Two accounts of one person share their identity; so both are authors, and both are delegates.
_AUTHORS = f"""
SELECT u.id, u.identity FROM approvals_user u
WHERE u.kind = 'human' AND u.identity IN (people)
UNION
SELECT d.id, d.identity
FROM approvals_user o
JOIN approvals_delegation l ON l.lender_id = o.id AND {_IN_FORCE}
JOIN approvals_user v ON v.id = l.delegate_id
JOIN approvals_user d ON d.identity = v.identity AND d.kind = 'human'
WHERE o.identity IN (people)
"""  # noqa: S608


def authors_and_delegates(identities: Iterable[str], *, now: datetime) -> list[tuple[int, str]]:
    """Return (user id, identity) of everybody so called, and of who votes for one of them now."""
    names = {f"name{place}": identity for place, identity in enumerate(sorted(set(identities)))}
    if not names:
        return []
    query = _AUTHORS.replace("(people)", f"({', '.join(f'%({name})s' for name in names)})")
    return [(row[0], row[1]) for row in _rows(query, {"now": _instant(now), **names})]


def holders(
    *, policy_id: UUID, user_ids: Iterable[int], decision_id: UUID, now: datetime
) -> dict[int, Holder]:
    """Return these users, their seats on a policy's stages, loans and exclusions, in one query."""
    query, people = _of_people(_HOLDERS, user_ids)
    if not people:
        return {}
    return _read(_rows(query, {**_asked(policy_id, decision_id, now), **people}))


def everybody_seated(
    *, policy_id: UUID, now: datetime, decision_id: UUID | None = None
) -> dict[int, Holder]:
    """Return every active person who holds a seat on a policy's stages, in one query."""
    return _read(_rows(_EVERYBODY, _asked(policy_id, decision_id, now)))


def seats_at_opening(*, policy_id: UUID, now: datetime) -> tuple[dict[int, Holder], dict[str, int]]:
    """Return everybody who holds a seat on a policy's stages, and the roles that have nobody yet.

    These are the roles whose person the decision about to be opened appoints, name to id.
    """
    rows = _rows(_EVERYBODY, _asked(policy_id, None, now))
    return _read(rows), {row[6]: row[9] for row in rows if row[0] is None}


def _of_people(query: str, user_ids: Iterable[int]) -> tuple[str, dict[str, int]]:
    """Return the query with one marker per person, and what stands for each."""
    people = {f"person{place}": user_id for place, user_id in enumerate(sorted(set(user_ids)))}
    return query.replace("(people)", f"({', '.join(f'%({name})s' for name in people)})"), people


def _rows(query: str, parameters: Mapping[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return list(cursor.fetchall())


def _asked(policy_id: UUID, decision_id: UUID | None, now: datetime) -> dict[str, Any]:
    decision = None if decision_id is None else _uuid(decision_id)
    return {"policy": _uuid(policy_id), "decision": decision, "now": _instant(now)}


def _uuid(value: UUID) -> UUID | str:
    return value if connection.features.has_native_uuid_field else value.hex


def _instant(now: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(now)


def _read(rows: Iterable[Any]) -> dict[int, Holder]:
    people: dict[tuple[int, int | None], tuple[str, bool, bool, str | None, set[Seat], str]] = {}
    on_call: dict[tuple[int, int | None], dict[Seat, Roster]] = {}
    ends: dict[tuple[int, int | None], Any] = {}
    for row in rows:
        user_id, username, active, kind, why, position, role, hours, zone, to, until, identity = row
        if user_id is None:
            continue
        new = (username, bool(active), kind == "human", why, set[Seat](), identity)
        known = people.setdefault((user_id, to), new)
        if position is not None:
            known[4].add((position, role))
            if hours not in _AT_ALL_HOURS:
                roster = _roster(hours if isinstance(hours, str) else json.dumps(hours), zone)
                on_call.setdefault((user_id, to), {})[position, role] = roster
        ends[user_id, to] = until
    loans: dict[int, dict[int, Loan]] = {}
    for (lender, to), (username, active, human, why, seats, identity) in people.items():
        if to is not None:
            holder = Holder(
                *(lender, username, active, human, frozenset(seats), why),
                on_call=on_call.get((lender, to), {}),
                identity=identity,
            )
            loans.setdefault(to, {})[lender] = Loan(holder, _aware(ends[lender, to]))
    return {
        user_id: Holder(
            *(user_id, username, active, human, frozenset(seats), why),
            loans=loans.get(user_id, {}),
            on_call=on_call.get((user_id, None), {}),
            identity=identity,
        )
        for (user_id, to), (username, active, human, why, seats, identity) in people.items()
        if to is None
    }


_AT_ALL_HOURS: tuple[Any, ...] = (None, "[]", [])


@lru_cache(maxsize=256)
def _roster(hours: str, zone: str) -> Roster:
    return Roster(read_shifts(json.loads(hours)), zone)


def _aware(stored: datetime | str) -> datetime:
    at = datetime.fromisoformat(stored) if isinstance(stored, str) else stored
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def roles_used_by(user: "User", *, now: datetime) -> dict[int, list[int]]:
    """Return the ids of the roles a person may use, by whose they are, in one query.

    Their own come first; then, by lender, those somebody lends them now. What a role shows may
    depend on whose it is, as regions do.
    """
    return roles_used_by_each([user.pk], now=now)[user.pk]


def roles_used_by_each(
    user_ids: Iterable[int], *, now: datetime
) -> dict[int, dict[int, list[int]]]:
    """Return the same for several people, by person, in one query."""
    query, people = _of_people(_ROLES, user_ids)
    found: dict[int, dict[int, list[int]]] = {one: {one: []} for one in people.values()}
    if people:
        for user, whose, role in _rows(query, {**people, "now": _instant(now)}):
            found[user].setdefault(whose, []).append(role)
    return found


def people_with(right: str, user_ids: Iterable[int]) -> set[int]:
    """Return which of these active people `has_perm` would give a right, in one query."""
    app, _, codename = right.partition(".")
    wanted = Permission.objects.filter(content_type__app_label=app, codename=codename)
    by_role = Group.permissions.through.objects.filter(permission__in=wanted).values("group")
    members = get_user_model().groups.through.objects.filter(group__in=by_role)
    found = get_user_model().objects.filter(
        Q(is_superuser=True) | Q(pk__in=members.values("user")) | Q(user_permissions__in=wanted),
        pk__in=list(user_ids),
        is_active=True,
    )
    return set(found.values_list("pk", flat=True))


def policies_open_to(roles: Iterable[int]) -> QuerySet[PolicyStage, UUID]:
    """Return the ids of the policies on whose stages one of these roles may vote."""
    return PolicyStage.objects.filter(
        pk__in=StageGrant.objects.filter(group__in=list(roles), permission__codename=VOTE).values(
            "content_object"
        )
    ).values_list("policy_id", flat=True)


def decisions_appointing(user: "User", *, now: datetime) -> QuerySet[Appointment, UUID]:
    """Return the ids of the decisions that appointed a person, or who lends to them now."""
    lent = Delegation.objects.in_force(now).filter(
        Q(limited=False) | Q(roles=OuterRef("role")), lender=OuterRef("user"), delegate=user
    )
    mine = Appointment.objects.filter(Q(user=user) | Exists(lent))
    return mine.values_list("decision_id", flat=True)


def appointed_to(
    decision_ids: Iterable[UUID], user_ids: Iterable[int], *, now: datetime
) -> set[tuple[int, UUID]]:
    """Return who of these people is appointed to which decision, or lent an appointment now."""
    people = set(user_ids)
    rows = Appointment.objects.filter(decision__in=list(decision_ids))
    appointed = list(rows.values_list("user_id", "decision_id", "role_id"))
    if not appointed:
        return set()
    lent = Delegation.objects.in_force(now).filter(
        lender__in={user for user, _, _ in appointed}, delegate__in=people
    )
    loans = list(lent.values_list("lender_id", "delegate_id", "limited", "roles"))
    return {(user, decision) for user, decision, _ in appointed if user in people} | {
        (delegate, decision)
        for user, decision, role in appointed
        for lender, delegate, limited, lent_role in loans
        if lender == user and (not limited or lent_role == role)
    }


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


@dataclass(frozen=True, slots=True)
class VotingRole:
    """A role that may vote on one step of a policy."""

    slug: str
    position: int
    role: str


def voting_roles(policies: Iterable[UUID]) -> list[VotingRole]:
    """Return which roles may vote on which steps of these policy versions, in order."""
    grants = (
        StageGrant.objects.filter(
            content_object__policy__in=list(policies), permission__codename=VOTE
        )
        .order_by("content_object__policy__slug", "content_object__position", "group__name")
        .values_list("content_object__policy__slug", "content_object__position", "group__name")
    )
    return [VotingRole(*row) for row in grants]


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
