"""Decide what a checkpoint's rules say about a proposal: pass, refuse, or ask a person.

Whatever is missing, invalid or fails leads to a person being asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from reviews.expressions import RuleInvalid, SchemaKey, compile_expression
from reviews.schema_types import complete

__all__ = ["Rule", "RuleInvalid", "Verdict", "check_rule", "complete", "judge"]

Then = Literal["allow", "deny", "ask"]
THENS: tuple[Then, ...] = ("allow", "deny", "ask")
STATES = ("live", "shadow", "off")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Hold one row of a checkpoint: when this holds, then that."""

    position: int
    name: str
    when: str
    then: str
    band: str = ""
    priority: str | None = None
    risk: str | None = None
    legal_basis: str = ""
    state: str = "live"
    expires_at: datetime | None = None
    question_id: object = None

    def expired(self, now: datetime) -> bool:
        """Return whether the rule has run out; only ``allow`` rules ever do."""
        return self.then == "allow" and self.expires_at is not None and now >= self.expires_at


@dataclass(frozen=True)
class Verdict:
    """Say what the rules decided and why.

    ``rule`` is the one that decided; None when none matched, and on an error too, so that a
    broken rule never chooses the question. ``unread`` are the live rules an error kept from being
    read, the broken one first. ``why`` is a sentence for people, ``error`` the sentence of what
    failed, ``shadow`` the rules in shadow that would have matched.
    """

    then: Then
    rule: Rule | None
    why: str
    error: str | None = None
    shadow: tuple[Rule, ...] = ()
    unread: tuple[Rule, ...] = ()


def check_rule(when: object, schema: Mapping[str, Any]) -> None:
    """Refuse a condition that could fail, surprise or take long on proposals of this schema.

    :raises RuleInvalid: with all its ``errors``.
    """
    try:
        key = SchemaKey(schema)
    except (TypeError, ValueError, RecursionError):
        raise RuleInvalid("The checkpoint's schema is not JSON.") from None
    compile_expression(when, key)


def judge(
    rules: Iterable[Rule],
    *,
    otherwise: str,
    proposal: Mapping[str, Any],
    schema: Mapping[str, Any],
    ticket: Mapping[str, Any],
    ai: Mapping[str, Any],
    now: datetime,
) -> Verdict:
    """Return what the first matching live rule says, else ``otherwise``.

    ``proposal`` is as sent; the rules see it with the schema's defaults. A rule that reads a
    value of ``ticket`` or ``ai`` that is absent or None is an error, and an error in a live rule
    asks at once. Without a live, unexpired rule a person is asked whatever ``otherwise`` says.
    """
    ordered = sorted(
        (rule for rule in rules if rule.state != "off" and not rule.expired(now)),
        key=lambda rule: rule.position,
    )
    try:
        key = SchemaKey(schema)
        completed = complete(proposal, schema)
    except Exception as error:
        # A broken schema or proposal must not end in a way past the rules.
        reason = f"The proposal cannot be read: {type(error).__name__}."
        return _asked_by_error(reason, unread=[rule for rule in ordered if rule.state != "shadow"])

    def matches(rule: Rule) -> bool:
        expression = compile_expression(rule.when, key)
        return expression.holds(proposal=completed, ticket=ticket, ai=ai)

    shadow = tuple(rule for rule in ordered if rule.state == "shadow" and _would(matches, rule))
    live = [rule for rule in ordered if rule.state != "shadow"]
    for place, rule in enumerate(live):
        try:
            if rule.then not in THENS or rule.state not in STATES:
                raise RuleInvalid("It says neither allow nor deny nor ask.")
            if matches(rule):
                why = f"Rule “{rule.name}” says {rule.then}: {rule.when}"
                return Verdict(_then(rule.then), rule, why, None, shadow)
        except Exception as error:
            # Whatever went wrong inside, the answer is the same: a person looks at it.
            reason = f"Rule “{rule.name}” failed: {_reason(error)}"
            return _asked_by_error(reason, shadow, unread=live[place:])
    if not live:
        return Verdict("ask", None, "No rule is in force, so a person is asked.", None, shadow)
    if otherwise == "allow":
        return Verdict("allow", None, "No rule matched; otherwise allow.", None, shadow)
    return Verdict("ask", None, "No rule matched; otherwise ask.", None, shadow)


def _then(then: str) -> Then:
    return next(known for known in THENS if known == then)


def _asked_by_error(
    error: str, shadow: tuple[Rule, ...] = (), *, unread: Sequence[Rule]
) -> Verdict:
    why = f"{error} So a person is asked."
    return Verdict("ask", None, why, error, shadow, tuple(unread))


def _would(matches: Any, rule: Rule) -> bool:
    try:
        return rule.then in THENS and bool(matches(rule))
    except Exception:
        # A shadow rule is only watched; its failure is no match.
        return False


def _reason(error: Exception) -> str:
    text = str(getattr(error, "message", None) or error) or type(error).__name__
    return text if text.endswith(".") else f"{text}."
