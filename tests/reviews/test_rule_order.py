"""Rules that can never decide, because an earlier one always does."""

from datetime import UTC, datetime

import pytest

from reviews.rule_order import never_first
from reviews.rules import Rule


def rules(*conditions: str, **more) -> list[Rule]:
    return [
        Rule(position=place, name=when, when=when, then="ask", **more)
        for place, when in enumerate(conditions)
    ]


@pytest.mark.parametrize(
    ("earlier", "later", "shadowed"),
    [
        ("total > 100", "total > 500", True),
        ("total > 100", "total > 100", True),
        ("total > 100", "total >= 100", False),
        ("total >= 100", "total > 100", True),
        ("total > 500", "total > 100", False),
        ("total < 10", "total < 5", True),
        ("total < 5", "total < 10", False),
        ("total > 100", "total == 150", True),
        ("total > 100", "total == 50", False),
        ("total > 100", "other > 500", False),
        ("total > 100", "total > 500 and new", True),
        ("total > 100 and new", "total > 500", False),
        ("total > 100 or new", "total > 500", True),
        ("total > 100", "total > 500 or new", False),
        ("total > 100 or new", "total > 500 or new", True),
        ("new", "new", True),
        ("new", "new  ", True),
        ("true", "anything == 1", True),
        ("(a or b)", "(a or b)", True),
        ("(a or b)", "a", False),
        ("not a", "not a", True),
        ('region == "north"', 'region == "north"', True),
        ("ticket.amount > 1", "ticket.amount > 2", True),
        ("total > budget * 0.8", "total > budget", False),
    ],
)
def test_only_what_is_sure_is_told(earlier, later, shadowed) -> None:
    found = never_first(rules(earlier, later))
    assert [(f.rule.name, f.by.name) for f in found] == ([(later, earlier)] if shadowed else [])


def test_what_is_not_in_force_shadows_nothing_and_is_not_shadowed() -> None:
    assert never_first(rules("a", "a", state="shadow")) == []
    assert never_first([*rules("a", state="off"), *rules("a")]) == []


def test_a_rule_that_runs_out_gives_way_one_day() -> None:
    passing = Rule(
        position=0, name="x", when="a", then="allow", expires_at=datetime(2027, 1, 1, tzinfo=UTC)
    )
    assert never_first([passing, Rule(position=1, name="y", when="a", then="ask")]) == []


def test_the_order_is_that_of_positions() -> None:
    first, second = rules("total > 1", "total > 2")
    assert [found.rule for found in never_first([second, first])] == [second]
