from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviews.lifecycle import (
    REVOCABLE,
    STATUSES,
    TRANSITIONS,
    IllegalTransition,
    allowed,
    check,
    markdown_table,
    next_deadline,
    status_for,
    timeout_status,
)

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TICK = timedelta(microseconds=1)

# Written out by hand from the model, row by row; ✓ is a transition that exists.
MATRIX = """
               pending approved rejected needs_changes answered expired cancelled revoked
pending        ·       ✓        ✓        ✓             ✓        ✓       ✓         ·
approved       ·       ·        ·        ·             ·        ·       ·         ✓
rejected       ·       ·        ·        ·             ·        ·       ·         ✓
needs_changes  ✓       ·        ·        ·             ·        ✓       ✓         ·
answered       ·       ·        ·        ·             ·        ·       ·         ✓
expired        ·       ·        ·        ·             ·        ·       ·         ·
cancelled      ·       ·        ·        ·             ·        ·       ·         ·
revoked        ·       ·        ·        ·             ·        ·       ·         ·
"""


def matrix():
    header, *rows = MATRIX.strip().splitlines()
    columns = header.split()
    for row in rows:
        old, *marks = row.split()
        yield from ((old, new, mark == "✓") for new, mark in zip(columns, marks, strict=True))


def test_the_matrix_names_every_pair_of_statuses():
    assert {(old, new) for old, new, _ in matrix()} == set(product(STATUSES, STATUSES))


@pytest.mark.parametrize("old, new, exists", list(matrix()))
def test_a_ticket_moves_only_along_the_table(old, new, exists):
    if exists:
        check(old, new)
    else:
        with pytest.raises(IllegalTransition) as refused:
            check(old, new)
        assert (refused.value.old, refused.value.new) == (old, new)
        assert str(refused.value) == f"A ticket that is {old} cannot become {new}."


@pytest.mark.parametrize("old, new", [("", "pending"), ("pending", ""), ("open", "approved")])
def test_an_unknown_status_goes_nowhere(old, new):
    with pytest.raises(IllegalTransition):
        check(old, new)


def test_only_decided_tickets_can_be_revoked():
    assert {"approved", "rejected", "answered"} == REVOCABLE


def test_every_status_that_is_reached_is_in_the_table():
    assert set().union(*TRANSITIONS.values()) <= set(STATUSES)


@given(st.lists(st.sampled_from(STATUSES), max_size=8))
def test_a_ticket_that_ended_for_good_never_moves_again(steps):
    status = "pending"
    for new in steps:
        if new in TRANSITIONS[status]:
            status = new
        if status in {"expired", "cancelled", "revoked"}:
            assert TRANSITIONS[status] == frozenset()


@pytest.mark.parametrize(
    "effect, status",
    [
        ("allow", "approved"),
        ("deny", "rejected"),
        ("return", "needs_changes"),
        ("answer", "answered"),
    ],
)
def test_the_winning_option_s_effect_gives_the_status(effect, status):
    assert status_for(effect) == status


@pytest.mark.parametrize("effect", ["none", "", "approve", "ALLOW"])
def test_an_effect_that_cannot_win_gives_no_status(effect):
    with pytest.raises(ValueError, match="cannot win"):
        status_for(effect)


@pytest.mark.parametrize(
    "effect, status",
    [
        ("deny", "expired"),
        ("none", "expired"),
        (None, "expired"),
        ("allow", "approved"),
        ("return", "needs_changes"),
        ("answer", "answered"),
    ],
)
def test_silence_ends_in_the_silent_option_s_status(effect, status):
    assert timeout_status(effect) == status
    check("pending", timeout_status(effect))


def test_silence_on_an_unknown_effect_is_refused():
    with pytest.raises(ValueError, match="cannot win"):
        timeout_status("approve")


ALLOWED = {
    # status: (asked before, asked after)
    "pending": (None, True),
    "approved": (True, True),
    "rejected": (False, False),
    "needs_changes": (None, None),
    "answered": (True, True),
    "expired": (False, False),
    "cancelled": (False, False),
    "revoked": (False, False),
}


@pytest.mark.parametrize("status", STATUSES)
def test_allowed_is_derived_for_every_combination(status):
    before, after = ALLOWED[status]
    assert allowed(status) is before
    assert allowed(status, ask_after=False) is before
    assert allowed(status, ask_after=True) is after


@pytest.mark.parametrize("ask_after", [False, True])
def test_an_unknown_status_allows_nothing(ask_after):
    with pytest.raises(ValueError, match="not a status"):
        allowed("open", ask_after=ask_after)


def test_only_a_deciding_effect_can_allow():
    assert {effect for effect in ("allow", "answer") if allowed(status_for(effect))} == {
        "allow",
        "answer",
    }
    assert allowed(status_for("deny")) is False
    assert allowed(status_for("return")) is None


def test_a_settled_ticket_waits_for_its_hold_alone():
    got = next_deadline(final_at=NOON, expires_at=NOON - TICK, due_at=NOON - TICK)
    assert got == ("final", NOON)


def test_the_earliest_deadline_comes_next():
    hours = [NOON + timedelta(hours=n) for n in range(4)]
    times = dict(zip(("due_soon_at", "due_at", "escalate_at", "expires_at"), hours, strict=True))
    for name, kind in [
        ("due_soon_at", "due_soon"),
        ("due_at", "due"),
        ("escalate_at", "escalate"),
        ("expires_at", "expires"),
    ]:
        assert next_deadline(**times) == (kind, times[name])
        times[name] = None
    assert next_deadline(**times) is None


def test_of_two_deadlines_at_one_instant_the_graver_wins():
    names = ["expires_at", "escalate_at", "due_at", "due_soon_at"]
    for at, name in enumerate(names):
        kind, _ = next_deadline(**dict.fromkeys(names[at:], NOON))
        assert kind == name.removesuffix("_at")


def test_the_table_prints_itself():
    lines = markdown_table().splitlines()
    assert len(lines) == len(STATUSES) + 2
    assert lines[0] == (
        "| from \\ to | pending | needs_changes | approved | rejected | answered | expired "
        "| cancelled | revoked |"
    )
    assert lines[1] == "|---|---|---|---|---|---|---|---|---|"
    assert lines[2] == "| **pending** | · | ✓ | ✓ | ✓ | ✓ | ✓ | ✓ | · |"
    assert sum(line.count("✓") for line in lines) == sum(map(len, TRANSITIONS.values()))
