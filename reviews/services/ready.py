"""Load the roles, the queue and the checkpoints that come with the service."""

from collections.abc import Iterable
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max

from approvals.errors import Invalid
from approvals.models import ApprovalPolicy, User
from approvals.presets import PRESETS
from approvals.question import parse_question, render_question
from approvals.services.policies import publish_policy, rendered
from approvals.trail import tell
from audit.clock import db_now
from audit.services import SYSTEM
from reviews.flags import BYPASS_REVIEW
from reviews.models import Checkpoint, Queue, QueueChoice, Rule
from reviews.ready.checkpoints import AFTER_BYPASS, GENERAL, OVERRIDE_ROLES, READY
from reviews.ready.roles import ADMIN, AUDITOR, LEAD, MANAGER, OFFICE_ROLES, REVIEWER
from reviews.rules import check_rule

_SETTINGS = (
    *("title", "reference", "effect_sentence", "proposal_schema", "view", "otherwise"),
    *("risk", "critical", "presets"),
)


def load_ready(*, reset: bool = False, by: User | None = None) -> list[str]:
    """Make what is missing of the ready things; return a sentence for each change.

    What is there belongs to its managers and stays as they made it; `reset` brings roles and
    checkpoints back to how they came, as new policy versions where the question differs.
    """
    with transaction.atomic():
        now = db_now()
        changes = [*_load_roles(reset=reset), *_load_queue()]
        for data in (*READY, AFTER_BYPASS):
            changes += _load_checkpoint(data, reset=reset, by=by, now=now)
        changes += _load_oversight()
    return changes


def load_described(rows: object, *, by: User | None = None) -> list[str]:
    """Make the checkpoints that `rows` describe; return a sentence for each made.

    A row has the members of those that come along; what is left out is as in `general`, and
    `question` may be a preset's name. A checkpoint that is there already stays as it is.

    :raises Invalid: naming the row that cannot be read.
    """
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Invalid("Describe checkpoints as a JSON list of objects.")
    changes: list[str] = []
    with transaction.atomic():
        for row in rows:
            changes += _load_checkpoint(_described(row), reset=False, by=by, now=db_now())
    return changes


def _described(row: dict[str, Any]) -> dict[str, Any]:
    name = str(row.get("slug"))
    if unknown := row.keys() - GENERAL.keys():
        raise Invalid(f"Checkpoint {name}: {', '.join(sorted(unknown))} is no member of one.")
    data = {**GENERAL, **row}
    data["question"] = PRESETS.get(str(data["question"]), data["question"])
    try:
        Checkpoint(slug=name, **{member: data[member] for member in _SETTINGS}).full_clean(
            exclude=["question"], validate_unique=False
        )
        parse_question(data["question"])
        for rule in data["rules"]:
            check_rule(rule.get("when"), data["proposal_schema"])
    except (ValidationError, ValueError, AttributeError, TypeError) as problem:
        raise Invalid(f"Checkpoint {name}: {problem}") from problem
    return data


def load_bypass_review() -> None:
    """Make sure that there is a place where a bypass is looked at afterwards."""
    if Checkpoint.objects.filter(slug=BYPASS_REVIEW).exists():
        return
    with transaction.atomic():
        list(_load_roles(reset=False))
        _load_checkpoint(AFTER_BYPASS, reset=False, by=None, now=db_now())
        list(_load_oversight())


def _load_roles(*, reset: bool) -> Iterable[str]:
    known = {
        f"{right.content_type.app_label}.{right.codename}": right
        for right in Permission.objects.select_related("content_type")
    }
    for name, patterns in OFFICE_ROLES.items():
        role, made = Group.objects.get_or_create(name=name)
        if not made and not reset:
            continue
        rights = [
            right
            for label, right in known.items()
            if any(fnmatchcase(label, pattern) for pattern in patterns)
        ]
        if made or {right.pk for right in rights} != set(
            role.permissions.values_list("pk", flat=True)
        ):
            role.permissions.set(rights)
            yield f"Role {name} {'made' if made else 'reset'}."


def _load_queue() -> Iterable[str]:
    queue, made = Queue.objects.get_or_create(slug="general", defaults={"name": "General"})
    if made:
        queue.roles.set(Group.objects.filter(name__in=[REVIEWER, LEAD]))
        yield "Queue general made."


def _load_oversight() -> Iterable[str]:
    """Make the queue of bypass reviews: they name tickets of every queue and region."""
    queue, made = Queue.objects.get_or_create(slug="oversight", defaults={"name": "Oversight"})
    if made:
        queue.roles.set(Group.objects.filter(name__in=[MANAGER, AUDITOR, ADMIN]))
        checkpoint = Checkpoint.objects.get(slug=BYPASS_REVIEW)
        first = QueueChoice.objects.order_by("position").first()
        # Before every line a manager made, if there is room; a line for all would catch it else.
        last = QueueChoice.objects.aggregate(last=Max("position"))["last"] or 0
        place = 0 if first is None or first.position > 0 else last + 1
        QueueChoice.objects.create(position=place, checkpoint=checkpoint, queue=queue)
        yield "Queue oversight made."


def _load_checkpoint(
    data: dict[str, Any], *, reset: bool, by: User | None, now: datetime
) -> list[str]:
    slug = data["slug"]
    standing = Checkpoint.objects.filter(slug=slug).select_for_update(of=("self",)).first()
    if standing is not None and not reset:
        return []
    checkpoint = standing or Checkpoint(slug=slug)
    before = _as_data(checkpoint) if standing else None
    policy = _policy(data, by=by, now=now)
    after = {
        **{name: data[name] for name in _SETTINGS},
        "question": policy.pk,
        "rules": [_whole_rule(rule) for rule in data["rules"]],
    }
    if before == after:
        return []
    for name in _SETTINGS:
        setattr(checkpoint, name, data[name])
    checkpoint.question = policy
    checkpoint.save()
    _write_rules(checkpoint, after["rules"])
    done = "reset" if standing else "made"
    facts = {"slug": slug, "policy_version": policy.version, "reset": standing is not None}
    tell(SYSTEM, "checkpoint.loaded", by=by, at=now, data=facts)
    return [f"Checkpoint {slug} {done}."]


def _policy(data: dict[str, Any], *, by: User | None, now: datetime) -> ApprovalPolicy:
    """Return the newest version of a checkpoint's question, published anew only if it differs."""
    wanted = render_question(parse_question(data["question"]))
    standing = ApprovalPolicy.objects.filter(slug=data["slug"]).order_by("-version").first()
    if standing is not None and rendered(standing) == wanted:
        return standing
    return publish_policy(
        slug=data["slug"],
        name=data["title"],
        question=wanted,
        by=by,
        now=now,
        note="As it comes with the service.",
        override_roles=OVERRIDE_ROLES,
    )


def _whole_rule(rule: dict[str, Any]) -> dict[str, Any]:
    usual = {
        "then": "ask",
        "band": "",
        "priority": "",
        "risk": "",
        "legal_basis": "",
        "state": "live",
    }
    return {**usual, **rule}


_RULE_FIELDS = ("name", "when", "then", "band", "priority", "risk", "legal_basis", "state")


def _as_data(checkpoint: Checkpoint) -> dict[str, Any]:
    rules = list(checkpoint.rules.exclude(state=Rule.State.OFF))
    return {
        **{name: getattr(checkpoint, name) for name in _SETTINGS},
        "question": checkpoint.question_id,
        "rules": [{name: getattr(rule, name) for name in _RULE_FIELDS} for rule in rules],
    }


def _write_rules(checkpoint: Checkpoint, rules: list[dict[str, Any]]) -> None:
    """Write the rules that come along; what managers added is switched off and stands behind."""
    own = checkpoint.rules.all()
    names = [rule["name"] for rule in rules]
    own.filter(name__in=names).delete()
    own.update(state=Rule.State.OFF)
    last = own.aggregate(last=Max("position"))["last"] or 0
    for rule in own.filter(position__lte=len(rules)).order_by("position"):
        last = max(last, len(rules)) + 1
        rule.position = last
        rule.save(update_fields=["position"])
    for position, data in enumerate(rules, start=1):
        rule = Rule(checkpoint=checkpoint, position=position, **data)
        rule.full_clean(exclude=["checkpoint", "question"])
        rule.save()
