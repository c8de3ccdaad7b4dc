"""Publish questions as immutable policy versions."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.db import transaction

from approvals import permissions
from approvals.errors import Invalid
from approvals.models import ApprovalPolicy, PolicyStage, User
from approvals.question import Question, QuestionInvalid, parse_question, render_question
from audit.services import Actor, Draft, record


@lru_cache(maxsize=512)
def published(policy_id: UUID) -> ApprovalPolicy:
    """Return a policy version; it never changes, so it is read once."""
    return ApprovalPolicy.objects.get(pk=policy_id)


def rendered(policy: ApprovalPolicy, stages: Sequence[PolicyStage] | None = None) -> dict[str, Any]:
    """Return the question a policy version stores, in its JSON form."""
    return {
        "options": policy.options,
        "options_from": policy.options_from or None,
        "stages": [
            {
                "name": stage.name,
                "needs": stage.needs,
                "rejections": stage.rejections,
                "ladder": stage.ladder,
            }
            for stage in (stages if stages is not None else policy.stages.all())
        ],
        "timing": policy.timing,
        "repeat": policy.repeat,
    }


def question_of_policy(policy: ApprovalPolicy) -> Question:
    """Return the question a policy version asks."""
    return parse_question(rendered(policy))


def publish_policy(
    *,
    slug: str,
    name: str,
    question: dict[str, Any],
    by: User | None,
    now: datetime,
    note: str = "",
    override_roles: Sequence[str] = (),
) -> ApprovalPolicy:
    """Store a question as the next version of a policy and grant its roles their stages.

    :raises Invalid: where the question is not well formed, or names a role nobody made.
    """
    try:
        checked = render_question(parse_question(question))
    except QuestionInvalid as problem:
        raise Invalid(errors=problem.errors) from problem
    wanted = {role for stage in checked["stages"] for role in _roles_of(stage)}
    wanted |= {step["role"] for step in checked["timing"]["escalate"]}
    roles = {role.name: role for role in Group.objects.filter(name__in={*wanted, *override_roles})}
    missing = sorted((wanted | set(override_roles)) - roles.keys())
    if missing:
        raise Invalid(
            errors=[{"pointer": "/stages", "message": f"There is no role named {missing[0]}."}]
        )
    with transaction.atomic():
        before = ApprovalPolicy.objects.filter(slug=slug).order_by("-version").first()
        policy = ApprovalPolicy.objects.create(
            slug=slug,
            version=before.version + 1 if before else 1,
            name=name,
            options=checked["options"],
            options_from=checked["options_from"] or "",
            timing=checked["timing"],
            repeat=checked["repeat"],
            note=note,
            published_by=by,
            published_at=now,
        )
        escalation = {step["role"] for step in checked["timing"]["escalate"]}
        for position, stage in enumerate(checked["stages"]):
            row = PolicyStage.objects.create(policy=policy, position=position, **stage)
            permissions.grant_votes(
                stage=row, roles=[roles[name] for name in sorted(_roles_of(stage) | escalation)]
            )
        permissions.grant_override(policy=policy, roles=[roles[name] for name in override_roles])
        if before:
            permissions.copy_grants(source=before, to=policy)
        actor = Actor(str(by.pk), by.kind, by.label) if by else Actor()
        record(
            f"policy:{slug}",
            [
                Draft(
                    "policy.published",
                    now,
                    actor,
                    reason=note,
                    data={"version": policy.version, "question": checked},
                )
            ],
        )
    return policy


def _roles_of(stage: dict[str, Any]) -> set[str]:
    return {need["role"] for need in stage["needs"]} | {step["role"] for step in stage["ladder"]}
