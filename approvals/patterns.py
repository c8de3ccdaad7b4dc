"""Which regular expressions may judge an answer: those that cannot take forever on any text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from re import _constants as names  # type: ignore[attr-defined]
from re import _parser as grammar  # type: ignore[attr-defined]
from typing import Any

LONGEST_PATTERN = 100
_ESCAPED = re.compile(r"\\.", re.DOTALL)
_FUTURE_SETS = re.compile(r"\[\^?\[|--|&&|~~|\|\|")
_REPEATS = frozenset({names.MAX_REPEAT, names.MIN_REPEAT, names.POSSESSIVE_REPEAT})
# How often a small, bounded repetition may run: (\d{1,3}\.){3} is fine, (a{0,9}){9} is not.
_WAYS = 1_000
# A few open repetitions side by side cost a power of the text's length each.
_OPEN_REPEATS = 3


def complaint(pattern: str) -> str | None:
    """Return why this pattern may not judge an answer, as a sentence, or None when it may.

    Python's matcher goes back and tries again: ``(a+)+`` needs 2ⁿ steps for n letters. Refused
    are repetitions inside repetitions, alternatives inside an open repetition, references back,
    conditions, and more open repetitions in a row than a person would write.
    """
    if len(pattern) > LONGEST_PATTERN:
        return f"A pattern has at most {LONGEST_PATTERN} characters."
    if _FUTURE_SETS.search(_ESCAPED.sub("", pattern)):
        # Python means to give these another meaning inside brackets, and warns of it.
        return "Write [, --, &&, ~~ and || with backslashes."
    try:
        re.compile(pattern)
        tree = grammar.parse(pattern)
    except (re.error, OverflowError, RecursionError):
        return "This is not a regular expression."
    found = list(_nodes(tree))
    if any(kind in {names.GROUPREF, names.GROUPREF_EXISTS} for kind, _ in found):
        return "A pattern may not refer back to what it found."
    repeats = [value for kind, value in found if kind in _REPEATS]
    for _, most, body in repeats:
        inside = list(_nodes(body))
        if _ways(body) ** min(most, _WAYS) > _WAYS:
            return "A pattern may not repeat a repetition: some texts would take forever."
        if most > _WAYS and any(kind is names.BRANCH for kind, _ in inside):
            return "A pattern may not repeat alternatives without an end."
    if sum(1 for _, most, _ in repeats if most > LONGEST_PATTERN) > _OPEN_REPEATS:
        return f"A pattern may have {_OPEN_REPEATS} repetitions without an end, not more."
    return None


def _children(value: Any) -> Iterator[Any]:
    if isinstance(value, grammar.SubPattern):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _children(item)


def _nodes(tree: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    for kind, value in tree:
        yield kind, value
        for child in _children(value):
            yield from _nodes(child)


def _ways(tree: Iterable[Any]) -> int:
    """Return in how many ways a part can match, counted up to a little over the limit."""
    ways = 1
    for kind, value in tree:
        if kind in _REPEATS:
            least, most, body = value
            inner = _ways(body)
            ways *= (min(most, _WAYS + 1) - least + 1) * inner ** min(most, _WAYS.bit_length())
        elif kind is names.BRANCH:
            ways *= sum(_ways(branch) for branch in value[1])
        else:
            for child in _children(value):
                ways *= _ways(child)
        ways = min(ways, _WAYS + 1)
    return ways
