"""Publish questions as immutable policy versions."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from approvals import permissions
from approvals.errors import Invalid, WrongState
from approvals.linting import Finding, lint
from approvals.models import ApprovalPolicy, PolicyStage, User
from approvals.question import Question, QuestionInvalid, parse_question, render_question
from approvals.safeguards import Safeguards, check_silence, parse_safeguards, render_safeguards
from approvals.services.roles import people_of
from approvals.spoken import spoken_fields, spoken_safeguards
from approvals.trail import tell
from approvals.weakening import weakenings
from audit.differences import Difference, differences


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


@lru_cache(maxsize=512)
def published_question(policy_id: UUID) -> Question:
    """Return the question of a published policy version; like the version it never changes."""
    return question_of_policy(published(policy_id))


def safeguards_of(policy: ApprovalPolicy) -> Safeguards:
    """Return how votes under a policy version are taken."""
    return _safeguards(json.dumps(policy.safeguards, sort_keys=True))


@lru_cache(maxsize=512)
def _safeguards(rendered: str) -> Safeguards:
    return parse_safeguards(json.loads(rendered))


def lint_question(
    question: Question,
    safeguards: Safeguards,
    *,
    authors: Mapping[str, Collection[int]] | None = None,
) -> list[Finding]:
    """Return what is wrong with a question, the roles' people being who they are now."""
    names = {need.role for stage in question.stages for need in stage.needs}
    names |= {rung.role for stage in question.stages for rung in stage.ladder}
    names |= {later.role for later in question.timing.escalate}
    return lint(question, safeguards, roles=people_of(names), authors=authors)


def findings_of(
    policy: ApprovalPolicy, *, authors: Mapping[str, Collection[int]] | None = None
) -> list[Finding]:
    """Return what is wrong with a published version, the roles' people being who they are now."""
    return lint_question(question_of_policy(policy), safeguards_of(policy), authors=authors)


def publish_policy(
    *,
    slug: str,
    name: str,
    question: dict[str, Any],
    by: User | None,
    now: datetime,
    note: str = "",
    override_roles: Sequence[str] = (),
    keep_overriding: bool = True,
    safeguards: dict[str, Any] | None = None,
    after_version: int | None = None,
) -> ApprovalPolicy:
    """Store a question as the next version of a policy and grant its roles their stages.

    Safeguards not given, and (unless `keep_overriding` is false) roles that may replace
    decisions, stay as they were in the version before. What the version asks less of is said by
    `preview` beforehand, and marked here.

    :param by: None for what comes with the service, whose roles have no people yet; what a person
        publishes must be one that people can answer now.
    :raises Invalid: where the question is not well formed, names a role nobody made, would be
        allowed by silence without `silence_may_allow`, or could never be answered.
    :raises WrongState: where `after_version` is not the latest (0: there is none yet).
    """
    checked = _checked(question)
    wanted = {role for stage in checked["stages"] for role in _roles_of(stage)}
    wanted |= {step["role"] for step in checked["timing"]["escalate"]}
    roles = {role.name: role for role in Group.objects.filter(name__in={*wanted, *override_roles})}
    missing = sorted((wanted | set(override_roles)) - roles.keys())
    if missing:
        raise Invalid.at("/stages", f"There is no role named {missing[0]}.")
    with transaction.atomic():
        # The first version is the lock of all: who waited for it reads the newest again.
        list(ApprovalPolicy.objects.select_for_update(of=("self",)).filter(slug=slug, version=1))
        before = latest_version(slug)
        standing = before.version if before else 0
        if after_version is not None and after_version != standing:
            raise WrongState(
                f"Somebody published version {standing} meanwhile; look at the differences again."
            )
        overriding = set(override_roles)
        if before and keep_overriding:
            overriding |= set(permissions.overriding_roles(before))
        kept = before.safeguards if before and safeguards is None else safeguards or {}
        kept = _checked_safeguards(checked, kept, people_known=by is not None)
        changes = preview(
            before=before, name=name, question=checked, safeguards=kept, overriding=overriding
        )
        policy = ApprovalPolicy.objects.create(
            slug=slug,
            version=standing + 1,
            name=name,
            options=checked["options"],
            options_from=checked["options_from"] or "",
            timing=checked["timing"],
            repeat=checked["repeat"],
            safeguards=kept,
            weakens=bool(changes.weakens),
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
        permissions.grant_override(
            policy=policy, roles=Group.objects.filter(name__in=overriding).order_by("name")
        )
        facts: dict[str, Any] = {"version": policy.version, "question": checked}
        if changes.weakens:
            facts["weakens"] = changes.weakens
        if before:
            facts["changes"] = [change.as_data() for change in changes.differences]
        tell(f"policy:{slug}", "policy.published", by=by, at=now, reason=note, data=facts)
    return policy


def newest_versions() -> QuerySet[ApprovalPolicy]:
    """Return the newest version of each policy."""
    later = ApprovalPolicy.objects.filter(slug=OuterRef("slug"), version__gt=OuterRef("version"))
    return ApprovalPolicy.objects.filter(~Exists(later))


def latest_version(slug: str) -> ApprovalPolicy | None:
    """Return the newest version of a policy."""
    return ApprovalPolicy.objects.filter(slug=slug).order_by("-version").first()


@dataclass(frozen=True, slots=True)
class Preview:
    """What publishing would change: field by field, and sentences for what is asked less of."""

    differences: list[Difference]
    weakens: list[str]


def preview(
    *,
    before: ApprovalPolicy | None,
    name: str,
    question: dict[str, Any],
    safeguards: dict[str, Any],
    overriding: Iterable[str],
) -> Preview:
    """Return what the next version would change. Nothing is written.

    :raises Invalid: where the question is not well formed.
    """
    checked = _checked(question)
    replacing = sorted(overriding)
    if before is None:
        after = policy_fields(name, checked, safeguards, replacing)
        return Preview(differences({}, after), [])
    old, standing = rendered(before), sorted(permissions.overriding_roles(before))
    return Preview(
        differences(
            policy_fields(before.name, old, before.safeguards, standing),
            policy_fields(name, checked, safeguards, replacing),
        ),
        weakenings(
            parse_question(old),
            parse_question(checked),
            safeguards=(before.safeguards, safeguards),
            replacing=(standing, replacing),
        ),
    )


def fields_of(policy: ApprovalPolicy) -> dict[str, str]:
    """Return a version as labelled texts, to compare it with another."""
    roles = permissions.overriding_roles(policy)
    return policy_fields(policy.name, rendered(policy), policy.safeguards, roles)


def policy_fields(
    name: str, question: dict[str, Any], safeguards: dict[str, Any], overriding: Iterable[str]
) -> dict[str, str]:
    """Return everything a version says as labelled texts, in the order people read them."""
    return {
        "Name": name,
        **spoken_fields(question),
        **spoken_safeguards(safeguards),
        "May replace decisions": ", ".join(sorted(overriding)) or "nobody",
    }


def _checked(question: dict[str, Any]) -> dict[str, Any]:
    try:
        return render_question(parse_question(question))
    except QuestionInvalid as problem:
        raise Invalid(errors=problem.errors) from problem


def _checked_safeguards(
    question: dict[str, Any], given: dict[str, Any], *, people_known: bool
) -> dict[str, Any]:
    """Return the safeguards whole; refuse a question nobody should publish with them."""
    asked = parse_question(question)
    try:
        safeguards = parse_safeguards(given)
        check_silence(asked, safeguards)
    except QuestionInvalid as problem:
        raise Invalid(errors=problem.errors) from problem
    found = lint_question(asked, safeguards) if people_known else []
    errors = [
        {"pointer": finding.pointer, "message": finding.message}
        for finding in found
        if finding.severity == "error"
    ]
    if errors:
        raise Invalid(errors=errors)
    return render_safeguards(safeguards)


def _roles_of(stage: dict[str, Any]) -> set[str]:
    return {need["role"] for need in stage["needs"]} | {step["role"] for step in stage["ladder"]}
