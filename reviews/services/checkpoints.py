"""Change checkpoints and their rules: one story event for each change, and what it lets through."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.urls import reverse

from approvals.models import ApprovalPolicy, User
from approvals.services.policies import question_of_policy
from approvals.trail import tell
from audit.differences import Difference, differences
from reviews.loosening import RuleState, State, loosenings
from reviews.models import Checkpoint, Rule
from reviews.models.checkpoint import Risk
from reviews.services.managers import CHANGE_CHECKPOINT, tell_managers

_PLAIN = ("title", "slug", "reference", "effect_sentence")


@dataclass(frozen=True, slots=True)
class Change:
    """What a change makes of a checkpoint: field by field, and what it lets through."""

    differences: list[Difference]
    loosens: list[str]


def change_of(
    *, before: Checkpoint | None, rules_before: Sequence[Rule], after: Checkpoint,
    rules_after: Sequence[Rule],
) -> Change:  # fmt: skip
    """Return what would change. Nothing is written."""
    fields = fields_of(after, rules_after)
    if before is None:
        return Change(differences({}, fields), [])
    return Change(
        differences(fields_of(before, rules_before), fields),
        loosenings(state_of(before, rules_before), state_of(after, rules_after)),
    )


def save_checkpoint(
    *,
    checkpoint: Checkpoint,
    rules: Sequence[Rule],
    removed: Iterable[Rule],
    by: User | None,
    now: datetime,
    agreed: Callable[[Change], bool] = lambda _change: True,
) -> Change | None:
    """Store a checkpoint with its rules in this order; None, and nothing, where not `agreed`.

    `agreed` is asked with what would really change, under the lock: somebody may have saved
    another change since the page was shown.
    """
    with transaction.atomic():
        locked = Checkpoint.objects.select_for_update(of=("self",)).filter(pk=checkpoint.pk)
        standing = locked.select_related("question").first()
        old = list(standing.rules.select_related("question")) if standing else []
        change = change_of(before=standing, rules_before=old, after=checkpoint, rules_after=rules)
        if not agreed(change):
            return None
        if standing is None or change.differences:
            checkpoint.save()
            for rule in removed:
                if any(rule.pk == known.pk for known in old):
                    rule.delete()
            _store_rules(checkpoint, rules, old)
            _tell(checkpoint, change, made=standing is None, by=by, now=now)
    return change


def _store_rules(checkpoint: Checkpoint, rules: Sequence[Rule], old: Sequence[Rule]) -> None:
    # Away from every position first, for no two rules may ever stand on one.
    beyond = max([rule.position for rule in old], default=0) + len(rules) + 1
    for place, rule in enumerate(checkpoint.rules.order_by("position")):
        Rule.objects.filter(pk=rule.pk).update(position=beyond + place)
    for place, rule in enumerate(rules, start=1):
        rule.checkpoint, rule.position = checkpoint, place
        rule.save()


def ask_under(
    *, policy: ApprovalPolicy, keys: Iterable[str], by: User | None, now: datetime
) -> int:
    """Let checkpoints (`c-<id>`) and rules (`r-<id>`) that asked the version before ask this one.

    Return how many did. Others stay as they are: what moving them would loosen, nobody has seen.
    """
    wanted, moved = set(keys), 0
    with transaction.atomic():
        asking = Checkpoint.objects.select_for_update(of=("self",)).order_by("slug")
        for checkpoint in asking.select_related("question"):
            rules = list(checkpoint.rules.select_related("question"))
            before, count = fields_of(checkpoint, rules), 0
            askers: list[Checkpoint | Rule] = [checkpoint, *rules]
            for asker in askers:
                kind = "c" if asker is checkpoint else "r"
                if f"{kind}-{asker.pk}" in wanted and _follows(asker.question, policy):
                    asker.question, count = policy, count + 1
                    asker.save(update_fields=["question"])
            if count:
                changed = Change(differences(before, fields_of(checkpoint, rules)), [])
                _tell(checkpoint, changed, made=False, by=by, now=now)
                moved += count
    return moved


def _follows(asked: ApprovalPolicy | None, policy: ApprovalPolicy) -> bool:
    return asked is not None and asked.slug == policy.slug and asked.version == policy.version - 1


def _tell(
    checkpoint: Checkpoint, change: Change, *, made: bool, by: User | None, now: datetime
) -> None:
    facts: dict[str, Any] = {
        "slug": checkpoint.slug,
        "changes": [difference.as_data() for difference in change.differences],
    }
    if change.loosens:
        facts["weakens"] = change.loosens
    kind = "checkpoint.made" if made else "checkpoint.changed"
    draft = tell(f"checkpoint:{checkpoint.slug}", kind, by=by, at=now, data=facts)
    if change.loosens and by is not None:
        tell_managers(
            draft,
            what=f"the checkpoint {checkpoint.title}",
            weakens=change.loosens,
            page=reverse("admin:reviews_checkpoint_change", args=[checkpoint.pk]),
            right=CHANGE_CHECKPOINT,
            by=by,
        )


def fields_of(checkpoint: Checkpoint, rules: Sequence[Rule]) -> dict[str, str]:
    """Return a checkpoint as labelled texts, to compare it with another state of it."""
    fields = {name.replace("_", " ").capitalize(): getattr(checkpoint, name) for name in _PLAIN}
    fields |= {
        "In use": "yes" if checkpoint.active else "no",
        "When no rule matches": checkpoint.get_otherwise_display(),
        "Who decides": str(checkpoint.question),
        "Critical": "yes" if checkpoint.critical else "no",
        "Risk": checkpoint.get_risk_display(),
        "Presets requesters may name": ", ".join(checkpoint.presets) or "none",
        "Schema": _json(checkpoint.proposal_schema),
        "What is shown": _json(checkpoint.view),
    }
    for place, rule in enumerate(rules, start=1):
        fields[f"Rule “{rule.name}”"] = _rule_words(place, rule)
    return fields


def _rule_words(place: int, rule: Rule) -> str:
    words = [f"{place}. {rule.when} → {rule.get_then_display()}", rule.get_state_display()]
    words += [f"decided by {rule.question}"] if rule.question_id else []
    words += [f"risk {rule.risk}"] if rule.risk else []
    words += [f"priority {rule.priority}"] if rule.priority else []
    words += [f"band {rule.band}"] if rule.band else []
    words += [f"legal basis {rule.legal_basis}"] if rule.legal_basis else []
    words += [f"looked at {rule.audit_sample:.0%}"] if rule.audit_sample else []
    words += [f"until {rule.expires_at:%Y-%m-%d %H:%M}"] if rule.expires_at else []
    return ", ".join(words)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) if value else ""


def state_of(checkpoint: Checkpoint, rules: Sequence[Rule]) -> State:
    """Return a checkpoint as the comparison of its rules reads it."""
    return State(
        otherwise=checkpoint.otherwise,
        critical=checkpoint.critical,
        risk=Risk.HIGH if checkpoint.critical else checkpoint.risk,
        question=question_of_policy(checkpoint.question),
        rules=[
            RuleState(
                id=str(rule.pk),
                name=rule.name,
                when=rule.when,
                then=rule.then,
                live=rule.state == Rule.State.LIVE,
                risk=rule.risk,
                audit_sample=rule.audit_sample,
                expires_at=rule.expires_at,
                question=question_of_policy(rule.question) if rule.question else None,
            )
            for rule in rules
        ],
        presets=frozenset(checkpoint.presets),
        schema=checkpoint.proposal_schema,
    )
