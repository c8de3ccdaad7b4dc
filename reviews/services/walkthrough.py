"""A question walked through before it is put: who is asked, in which order, until when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from approvals import permissions
from approvals.models import ApprovalPolicy, RoleProfile, User
from approvals.permissions import Holder
from approvals.question import Question, render_question, resolve
from approvals.services.policies import question_of_policy
from approvals.spoken import spoken_count, spoken_length, spoken_rung, spoken_silence
from reviews.sla import Deadlines, deadlines

_MOST_NAMES = 8


@dataclass(frozen=True, slots=True)
class Asked:
    """One need of a step: how many of a role, and the people who could answer it now."""

    words: str
    people: list[str]
    count: int
    needed: int
    appointed: bool = False  # found for each ticket: the requester's manager

    @property
    def enough(self) -> bool:
        return self.appointed or self.count >= self.needed

    @property
    def more(self) -> int:
        return self.count - len(self.people)


@dataclass(frozen=True, slots=True)
class Rung:
    """One row of a ladder; `reached` is the one this amount asks by."""

    words: str
    reached: bool


@dataclass(frozen=True, slots=True)
class Step:
    """One step, in its order."""

    name: str
    asked: list[Asked]
    ladder: list[Rung]
    rejections: int | str


@dataclass(frozen=True, slots=True)
class Walk:
    """Everything that would happen, in the order it happens."""

    steps: list[Step]
    answers: list[str]
    before: bool
    deadlines: Deadlines
    silence: str
    hold: str
    revocable: str


def walk_of_policy(
    policy: ApprovalPolicy, *, amount: Decimal | None, priority: str, now: datetime
) -> Walk:
    """Return the walk of a policy as it stands, for an amount nobody has proposed yet."""
    question = question_of_policy(policy)
    holders = permissions.everybody_seated(policy_id=policy.pk, now=now)
    resolved = resolve(
        question, eligible=lambda s, n: len(_seated(holders, question, s, n)), amount=amount
    )
    return walk_of(
        resolved,
        ladders=[stage["ladder"] for stage in render_question(question)["stages"]],
        holders=holders,
        amount=amount,
        ends=deadlines(priority=priority, timing=question.timing, created_at=now),
    )


def walk_of(
    resolved: Question,
    *,
    ladders: Sequence[Sequence[Mapping[str, Any]]],
    holders: Mapping[int, Holder],
    amount: Decimal | None,
    ends: Deadlines,
) -> Walk:
    """Return the walk of a question whose counts are numbers; `ladders` are as published."""
    names = {
        user.pk: user.label for user in User.objects.filter(pk__in=holders).order_by("username")
    }
    profiles = RoleProfile.objects.filter(kind=RoleProfile.Kind.REQUESTERS_MANAGER)
    appointed = set(profiles.values_list("role__name", flat=True))
    steps = []
    for place, stage in enumerate(resolved.stages):
        asked = []
        for n, need in enumerate(stage.needs):
            people = _seated(holders, resolved, place, n)
            assert isinstance(need.count, int)
            labels = [label for pk, label in names.items() if pk in people]
            words = spoken_count(need.count, need.role)
            by_ticket = need.role in appointed
            asked.append(Asked(words, labels[:_MOST_NAMES], len(people), need.count, by_ticket))
        ladder = ladders[place] if place < len(ladders) else ()
        reached = _reached(ladder, amount)
        rungs = [Rung(spoken_rung(rung), rung is reached) for rung in ladder]
        steps.append(Step(stage.name, asked, rungs, stage.rejections))
    rendered = render_question(resolved)
    timing = rendered["timing"]
    return Walk(
        steps=steps,
        answers=[option.label for option in resolved.options],
        before=timing["ask"] == "before",
        deadlines=ends,
        silence=spoken_silence(rendered),
        hold="" if timing["hold"] == "PT0S" else spoken_length(timing["hold"]),
        revocable="" if timing["revocable"] == "PT0S" else spoken_length(timing["revocable"]),
    )


def _seated(holders: Mapping[int, Holder], question: Question, place: int, n: int) -> set[int]:
    need = question.stages[place].needs[n]
    return {
        holder.user_id
        for holder in holders.values()
        if (place, need.role) in holder.seats
        and holder.excluded_as is None
        and (not need.people or holder.names & set(need.people))
    }


def _reached(
    ladder: Sequence[Mapping[str, Any]], amount: Decimal | None
) -> Mapping[str, Any] | None:
    climbed = [rung for rung in ladder if amount is None or amount > Decimal(str(rung["above"]))]
    return max(climbed, key=lambda rung: Decimal(str(rung["above"]))) if climbed else None
