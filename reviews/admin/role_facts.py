"""What is known of a role: what asks it, what would change without it, its hours and rights."""

from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db.models import QuerySet

from approvals import permissions
from approvals.models import ApprovalPolicy, RoleProfile, User
from approvals.services.policies import newest_versions
from approvals.spoken import spoken_needs
from reviews.admin.policies import checkpoints_asking
from reviews.models import Ticket

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
# What a role may do on these pages; rights on tables of the framework are no business of a role.
_ROOMS = ("audit", "approvals", "reviews", "auth")


def spoken_hours(profile: RoleProfile | None) -> str:
    """Return when a role is on call: `Mon–Fri 08:00 to 18:00, Europe/Berlin`."""
    if profile is None or not profile.hours:
        return "at all hours"
    said = [f"{_spoken_days(row['days'])} {row['from']} to {row['to']}" for row in profile.hours]
    return f"{'; '.join(said)} ({profile.time_zone})"


def _spoken_days(days: list[int]) -> str:
    ordered = sorted(days)
    if len(ordered) > 2 and ordered == list(range(ordered[0], ordered[-1] + 1)):
        return f"{DAYS[ordered[0]]}–{DAYS[ordered[-1]]}"
    return ", ".join(DAYS[day] for day in ordered)


def asked_by() -> dict[str, list[dict[str, Any]]]:
    """Return what asks each role now: {role: [policy, steps and checkpoints]}."""
    newest = {policy.slug: policy for policy in newest_versions().prefetch_related("stages")}
    titles = checkpoints_asking()
    found: dict[str, list[dict[str, Any]]] = {}
    for seat in permissions.voting_roles([policy.pk for policy in newest.values()]):
        policy = newest[seat.slug]
        rows = found.setdefault(seat.role, [])
        row = next((r for r in rows if r["policy"] is policy), None)
        if row is None:
            row = {"policy": policy, "steps": [], "checkpoints": titles.get(policy.slug, [])}
            rows.append(row)
        stage = next(s for s in policy.stages.all() if s.position == seat.position)
        named = any(need["role"] == seat.role for need in stage.needs)
        by_amount = any(rung["role"] == seat.role for rung in stage.ladder)
        how = spoken_needs(stage.needs) if named else "by amount" if by_amount else "when called"
        row["steps"].append(f"{stage.name} ({how})")
    return found


def replaced_by(role: Group) -> list[ApprovalPolicy]:
    """Return the policies whose decisions a role may replace."""
    policies = newest_versions().order_by("slug")
    return [policy for policy in policies if role.name in permissions.overriding_roles(policy)]


def warnings_of(profile: RoleProfile, people: list[User], keepers: set[int]) -> list[str]:
    """Return what those who look after a role should know of it, in sentences.

    :param keepers: the ids of people who own a service key.
    """
    if profile.kind == RoleProfile.Kind.REQUESTERS_MANAGER:
        return []
    able = [person for person in people if person.is_active]
    if not able:
        return ["Nobody is in this role: what asks it waits until somebody is added."]
    said = []
    if len(able) == 1:
        said.append(
            f"Only {able[0].label} is in this role: nobody answers while they are away, "
            "and nobody answers their own requests."
        )
    if all(person.pk in keepers for person in able):
        said.append(
            "All of them own access keys: nobody in this role may answer what their keys ask."
        )
    return said


def effect_of_taking(role: Group, slug: str) -> dict[str, Any]:
    """Return how many open questions of a policy ask a role, with its votes and its people."""
    waiting = Ticket.objects.waiting().filter(decision__policy__slug=slug)
    asked, votes = 0, 0
    members = set(role.user_set.values_list("pk", flat=True))
    for ticket in waiting.select_related("decision").prefetch_related("decision__votes")[:500]:
        named = {n["role"] for s in ticket.decision.question["stages"] for n in s["needs"]}
        if role.name in named | set(ticket.decision.escalated):
            asked += 1
            votes += sum(
                vote.withdrawn_at is None and vote.principal_id in members
                for vote in ticket.decision.votes.all()
            )
    return {"asked": asked, "votes": votes, "people": len(members)}


def all_rights() -> QuerySet[Permission]:
    """Return the rights a role may hold, by the thing they are about."""
    return (
        Permission.objects.filter(content_type__app_label__in=_ROOMS)
        .exclude(content_type__model__startswith="historical")
        .select_related("content_type")
        .order_by("content_type__model", "codename")
    )


def rights_by_thing(role: Group) -> list[tuple[str, list[tuple[Permission, str, bool]]]]:
    """Return every right, by the thing it is about: (right, word, held)."""
    held = set(role.permissions.values_list("pk", flat=True))
    things: dict[str, list[tuple[Permission, str, bool]]] = {}
    for right in all_rights():
        thing = {"group": "role", "permission": "right"}.get(
            right.content_type.model, right.content_type.name
        )
        verb, _, rest = right.codename.partition("_")
        usual = rest == right.content_type.model
        word = verb if usual else right.name.removeprefix("Can ")
        things.setdefault(thing.capitalize(), []).append((right, word, right.pk in held))
    return sorted(things.items())
