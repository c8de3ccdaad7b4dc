"""What a change of a checkpoint lets through that was stopped or asked before, as sentences.

When in doubt it says so: a sentence too many costs whoever saves it a password.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from approvals.question import Question
from approvals.weakening import weakenings

_STRICT = {"allow": 0, "ask": 1, "deny": 2}
_RISKS = ("low", "medium", "high")


@dataclass(frozen=True, slots=True)
class RuleState:
    """One rule as it stands; `question` None: the checkpoint's own."""

    id: str
    name: str
    when: str
    then: str
    live: bool
    risk: str = ""
    audit_sample: float = 0
    expires_at: datetime | None = None
    question: Question | None = None


@dataclass(frozen=True, slots=True)
class State:
    """A checkpoint as it stands; its rules in their order."""

    otherwise: str
    critical: bool
    risk: str
    question: Question
    rules: Sequence[RuleState] = ()
    presets: frozenset[str] = frozenset()
    schema: dict[str, Any] = field(default_factory=dict)


def loosenings(before: State, after: State) -> list[str]:
    """Return one sentence for each way in which the checkpoint stops or asks less than before."""
    return [
        *_settings(before, after),
        *weakenings(before.question, after.question),
        *_rules(before, after),
    ]


def _settings(before: State, after: State) -> Iterator[str]:
    if before.otherwise == "ask" and after.otherwise == "allow":
        yield "What no rule matches now passes without a person."
    if before.critical and not after.critical:
        yield "It is no longer critical: one person may be enough."
    if _RISKS.index(after.risk) < _RISKS.index(before.risk):
        yield f"Its risk is {after.risk} instead of {before.risk}: mails and many at once may do."
    added = sorted(after.presets - before.presets)
    yield from (f"Requesters may now ask in the way of “{name}”." for name in added)
    wanted, still = before.schema.get("required", []), after.schema.get("required", [])
    if isinstance(wanted, list) and isinstance(still, list):
        gone = [name for name in wanted if name not in still]
        yield from (f"A proposal need not say its {name} any more." for name in gone)


def _rules(before: State, after: State) -> Iterator[str]:
    now = {rule.id: rule for rule in after.rules}
    was = {rule.id: rule for rule in before.rules}
    for rule in before.rules:
        current = now.get(rule.id)
        if not rule.live:
            continue
        if current is None or not current.live:
            if rule.then != "allow":
                how = "deleted" if current is None else "no longer in force"
                yield f"Rule “{rule.name}” is {how}."
            continue
        yield from _rule(rule, current, before, after)
    for rule in after.rules:
        old = was.get(rule.id)
        if rule.live and rule.then == "allow" and (old is None or not old.live):
            yield f"Rule “{rule.name}” lets things pass: {rule.when}"
    yield from _order(before.rules, after.rules)


def _rule(old: RuleState, new: RuleState, before: State, after: State) -> Iterator[str]:
    if _STRICT[new.then] < _STRICT[old.then]:
        yield f"Rule “{new.name}” says {new.then} instead of {old.then}."
    if new.when.split() != old.when.split():
        yield f"Rule “{new.name}” has another condition: {new.when}"
    if _later(old.expires_at, new.expires_at):
        yield f"Rule “{new.name}” lets things pass for longer."
    if new.audit_sample < old.audit_sample:
        yield f"Fewer of what rule “{new.name}” lets pass is looked at."
    if old.risk and (not new.risk or _RISKS.index(new.risk) < _RISKS.index(old.risk)):
        yield f"What rule “{new.name}” asks about counts as less risky."
    asked, asks = old.question or before.question, new.question or after.question
    if (old.question or new.question) and new.then == "ask":
        yield from (f"Rule “{new.name}”: {said}" for said in weakenings(asked, asks))


def _later(before: datetime | None, after: datetime | None) -> bool:
    return before is not None and (after is None or after > before)


def _order(before: Sequence[RuleState], after: Sequence[RuleState]) -> Iterator[str]:
    """Tell of a rule that lets things pass and now stands before one that would not."""
    place = {rule.id: n for n, rule in enumerate(before)}
    kept = [rule for rule in after if rule.live and rule.id in place]
    for n, rule in enumerate(kept):
        if rule.then == "allow" and any(place[o.id] < place[rule.id] for o in kept[n + 1 :]):
            yield f"Rule “{rule.name}” lets things pass before other rules are read."
