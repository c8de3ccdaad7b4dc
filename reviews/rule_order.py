"""Which rules can never decide anything, because an earlier one always does.

Only what can be told for sure is told: the same condition, a constant, or numbers compared with
the same field. Everything else is taken to be reachable.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from reviews.rules import Rule

_COMPARISON = re.compile(r"([\w.]+) ?(>=|<=|==|>|<) ?(-?\d+(?:\.\d+)?)")


class Shadowed(NamedTuple):
    """A live rule and the earlier one that always comes first."""

    rule: Rule
    by: Rule


class _Comparison(NamedTuple):
    field: str
    sign: str
    number: float


def never_first(rules: Sequence[Rule]) -> list[Shadowed]:
    """Return the live rules that an earlier live one always comes before, in their order."""
    # A rule that runs out gives way one day, and a deny or ask never does.
    live = sorted((r for r in rules if r.state == "live"), key=lambda r: r.position)
    found = []
    for place, rule in enumerate(live):
        before = (b for b in live[:place] if b.expires_at is None and _covers(b.when, rule.when))
        earlier = next(before, None)
        if earlier is not None:
            found.append(Shadowed(rule, earlier))
    return found


def _covers(earlier: str, later: str) -> bool:
    """Tell whether the earlier condition holds wherever the later one does, for sure."""
    return all(
        any(
            all(any(_implies(given, asked) for given in branch) for asked in wanted)
            for wanted in _branches(earlier)
        )
        for branch in _branches(later)
    )


def _branches(when: str) -> list[list[str]]:
    """Return a condition as alternatives of conjunctions; whole where it is not that plain."""
    text = " ".join(when.split())
    if any(sign in text for sign in "()[]{}\"'?") or " not " in f" {text} ":
        return [[text]]
    return [branch.split(" and ") for branch in text.split(" or ")]


def _implies(given: str, asked: str) -> bool:
    if asked == "true" or given == asked:
        return True
    one, other = _compared(given), _compared(asked)
    if one is None or other is None or one.field != other.field:
        return False
    if one.sign == "==":
        return _holds(one.number, other)
    if one.sign[0] != other.sign[0] or other.sign == "==":
        return False
    strict = (one.sign, other.sign) in ((">=", ">"), ("<=", "<"))
    if one.number == other.number:
        return not strict
    return one.number > other.number if one.sign[0] == ">" else one.number < other.number


def _compared(text: str) -> _Comparison | None:
    match = _COMPARISON.fullmatch(text)
    return None if match is None else _Comparison(match[1], match[2], float(match[3]))


def _holds(number: float, other: _Comparison) -> bool:
    return {
        ">": number > other.number,
        ">=": number >= other.number,
        "<": number < other.number,
        "<=": number <= other.number,
        "==": number == other.number,
    }[other.sign]
