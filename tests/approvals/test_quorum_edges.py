"""Corners of the count, each of which a small mistake in it would turn."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from approvals.question import LadderStep, Need, Option, Question, QuestionInvalid, Stage, resolve
from approvals.quorum import Cast, Outcome, Seated, decide, may_fill, may_vote
from approvals.reachability import Demand, can_be_met
from approvals.stages import render_stage, resolve_stage

MORNING = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
BOTH = (
    Option("approve", "Approve", "allow"),
    Option("reject", "Reject", "deny"),
    Option("return", "Return", "return"),
    Option("abstain", "Abstain", "none"),
)
ONLY_YES = BOTH[:1]


def stage(*needs: tuple[str, int], rejections: int = 1) -> Stage:
    return Stage("Stage", tuple(Need(role, count) for role, count in needs), rejections)


def question(*stages: Stage, options: tuple[Option, ...] = BOTH) -> Question:
    return Question(options, None, stages)


def seats(*held: str) -> frozenset[tuple[int, str]]:
    pairs = (seat.rpartition(":") for seat in held)
    return frozenset((int(place or 0), role) for place, _, role in pairs)


def cast(voter: int, choice: str, *held: str, **more: Any) -> Cast:
    known: dict[str, Any] = {"eligible": True, "at": MORNING + timedelta(seconds=voter), **more}
    return Cast(voter, choice, known.pop("outcome", ""), seats(*held), vote_id=voter, **known)


def test_a_second_vote_of_one_person_is_passed_over_and_later_votes_still_count() -> None:
    two = question(stage(("A", 2)))
    casts = [cast(1, "approve", "A"), cast(1, "approve", "A"), cast(2, "approve", "A")]
    casts[1] = replace(casts[1], at=MORNING + timedelta(seconds=1.5))
    assert decide(two, casts).winner == Outcome("approve", "allow", "", 2)


def test_votes_that_wait_for_a_later_stage_fill_it_and_only_it() -> None:
    steps = question(stage(("A", 1)), stage(("B", 1)), stage(("C", 1)))
    early = [cast(1, "approve", "1:B"), cast(2, "approve", "2:C")]
    assert decide(steps, early).stage == 0
    through = decide(steps, [*early, cast(3, "approve", "A")])
    assert through.winner == Outcome("approve", "allow", "", 3)
    assert through.counted == (3, 1, 2)
    # One that waits for the third stage is not lost when the second opens.
    later = decide(steps, [early[1], cast(3, "approve", "A"), cast(4, "approve", "1:B")])
    assert later.winner == Outcome("approve", "allow", "", 4)
    assert later.stage == 2


def test_a_stage_that_opens_counts_the_refusals_that_waited_for_it_and_no_others() -> None:
    steps = question(stage(("A", 1), rejections=9), stage(("B", 2), rejections=2))
    waiting = [cast(1, "reject", "1:B")]
    tally = decide(steps, waiting)
    assert (tally.rejections, tally.counted) == (0, ())
    opened = decide(steps, [*waiting, cast(2, "approve", "A")])
    assert (opened.rejections, opened.stage) == (1, 1)
    assert set(opened.counted) == {1, 2}
    ended = decide(steps, [*waiting, cast(2, "approve", "A"), cast(3, "reject", "1:B")])
    assert ended.winner == Outcome("reject", "deny", "", 3)
    assert ended.counted == (1, 3)


def test_a_refusal_ends_the_reading() -> None:
    one = question(stage(("A", 1)))
    casts = [cast(1, "reject", "A"), cast(2, "return", "A"), cast(3, "approve", "A")]
    tally = decide(one, casts)
    assert tally.winner == Outcome("reject", "deny", "", 1)
    assert tally.counted == (1,)
    # The later not-yet was not even read; an earlier one stands.
    assert decide(one, casts[::-1]).winner == tally.winner
    first = replace(casts[1], at=MORNING)
    assert decide(one, [casts[0], first]).winner == Outcome("return", "return", "", 2)


def test_of_several_refusals_that_waited_the_one_that_was_complete_first_settles() -> None:
    steps = question(stage(("A", 1), rejections=9), stage(("B", 1)))
    waiting = [cast(9, "reject", "1:B", at=MORNING), cast(1, "reject", "1:B")]
    found = decide(steps, [*waiting, cast(2, "approve", "A")])
    assert found.winner == Outcome("reject", "deny", "", 9)


def test_of_two_different_refusals_that_waited_the_earlier_settles() -> None:
    options = (*BOTH, Option("cannot", "Cannot", "deny"))
    steps = question(stage(("A", 1), rejections=9), stage(("B", 1)), options=options)
    waiting = [cast(9, "reject", "1:B", at=MORNING), cast(1, "cannot", "1:B")]
    found = decide(steps, [*waiting, cast(2, "approve", "A")])
    assert found.winner == Outcome("reject", "deny", "", 9)


def test_of_two_stages_the_refusal_that_was_complete_first_settles() -> None:
    steps = question(stage(("A", 1), rejections=3), stage(("B", 1), rejections=2))
    casts = [
        cast(9, "reject", "A", "1:B"),
        cast(1, "reject", "A", "1:B"),
        cast(2, "approve", "A"),
    ]
    casts[0] = replace(casts[0], at=MORNING)
    assert decide(steps, casts).winner == Outcome("reject", "deny", "", 1)


def test_who_is_left_counts_those_who_fit_something() -> None:
    one = question(stage(("A", 2)))
    fitting, stranger = Seated(seats("A")), Seated(seats("Z"))
    assert decide(one, [], remaining=[fitting, fitting, stranger]).eligible_left == 2
    assert decide(one, [], remaining=[fitting]).eligible_left == 1
    assert decide(one, [], remaining=[]).eligible_left == 0
    assert decide(one, []).eligible_left is None
    # Several people alike are several people.
    five = question(stage(("A", 5), rejections=5))
    assert decide(five, [], remaining=[fitting] * 5).can_settle
    assert not decide(five, [], remaining=[fitting] * 4).can_settle
    mixed = [Seated(seats("A"), frozenset({n})) for n in range(5)]
    assert decide(five, [], remaining=mixed).can_settle


def test_listed_people_who_are_left_are_known_by_their_names() -> None:
    asked = question(Stage("Stage", (Need("A", 2, (7, "bo")),), 2))
    seven, bo, other = (Seated(seats("A"), frozenset({name})) for name in (7, "bo", 9))
    assert decide(asked, [], remaining=[seven, bo]).can_settle
    assert not decide(asked, [], remaining=[seven, other]).can_settle
    assert decide(asked, [], remaining=[seven, bo, other]).eligible_left == 2


def test_votes_that_wait_are_used_when_asking_what_can_still_settle() -> None:
    hard = question(stage(("A", 1), rejections=9), stage(("B", 2), rejections=9))
    waiting = [cast(1, "approve", "1:B")]
    left = [Seated(seats("A")), Seated(seats("1:B"))]
    assert decide(hard, waiting, remaining=left).can_settle
    assert not decide(hard, waiting, remaining=left[:1]).can_settle
    assert not decide(hard, [], remaining=left).can_settle
    # A vote that waits for one later stage is not used up by another it does not fit.
    three = question(
        stage(("A", 1), rejections=9), stage(("B", 1), rejections=9), stage(("C", 1), rejections=9)
    )
    both = [cast(1, "approve", "2:C")]
    assert decide(three, both, remaining=[Seated(seats("A")), Seated(seats("1:B"))]).can_settle
    assert not decide(three, both, remaining=[Seated(seats("A"))]).can_settle


def test_a_refusal_in_a_later_stage_takes_those_who_lead_there_as_well() -> None:
    steps = question(stage(("A", 1), rejections=9), stage(("B", 5), rejections=1))
    # One who could refuse in the second stage, and nobody to open it.
    assert not decide(steps, [], remaining=[Seated(seats("1:B"))]).can_settle
    assert decide(steps, [], remaining=[Seated(seats("A")), Seated(seats("1:B"))]).can_settle
    # The same person cannot do both.
    assert not decide(steps, [], remaining=[Seated(seats("A", "1:B"))]).can_settle


def test_refusing_takes_a_seat_in_a_stage_reached_and_allowing_an_open_need() -> None:
    steps = question(stage(("A", 1)), stage(("B", 1)))
    ahead: dict[str, Any] = {"outcome": "", "seats": seats("1:B")}
    for choice in ("approve", "reject", "return", "abstain"):
        assert not may_fill(steps, [], choice=choice, **ahead)
    opened = [cast(1, "approve", "A")]
    for choice in ("approve", "reject", "return", "abstain"):
        assert may_fill(steps, opened, choice=choice, **ahead)
    assert not may_fill(steps, opened, choice="perhaps", **ahead)
    filled = {"outcome": "", "seats": seats("A")}
    assert not may_fill(steps, opened, choice="approve", **filled)
    assert may_fill(steps, opened, choice="reject", **filled)


def test_listed_people_fill_their_need_and_nobody_else_does() -> None:
    named = Stage("Stage", (Need("A", 1, (7, "bo")),), 1)
    asked = question(named)
    me: dict[str, Any] = {"seats": seats("A"), "names": frozenset({7})}
    other: dict[str, Any] = {"seats": seats("A"), "names": frozenset({8})}
    for choice in ("approve", "reject"):
        assert may_fill(asked, [], choice=choice, outcome="", **me)
        assert not may_fill(asked, [], choice=choice, outcome="", **other)
    assert may_vote(asked, [], **me)
    assert not may_vote(asked, [], **other)
    yes = question(named, options=ONLY_YES)
    assert may_vote(yes, [], **me)
    assert not may_vote(yes, [], **other)


def test_where_nobody_can_refuse_a_filled_need_leaves_nothing_to_vote_on() -> None:
    yes = question(stage(("A", 1), ("B", 1)), options=ONLY_YES)
    filled = [cast(1, "approve", "A")]
    assert may_vote(yes, [], seats=seats("A"))
    # Another exact outcome would still be possible, so the vote of a second person of A is one.
    assert may_vote(yes, filled, seats=seats("A"))
    assert may_vote(yes, filled, seats=seats("B"))
    assert not may_vote(yes, filled, seats=seats("Z"))
    # With a refusal on offer the seat alone is enough.
    assert may_vote(question(stage(("A", 1))), filled, seats=seats("A"))


def test_in_a_later_stage_a_filled_need_leaves_refusing_and_nothing_else() -> None:
    stages = (stage(("A", 1)), stage(("B", 1), ("C", 1)))
    casts = [cast(1, "approve", "A"), cast(2, "approve", "1:B")]
    late = seats("1:B")
    assert may_vote(question(*stages), casts, seats=late)
    assert not may_vote(question(*stages, options=ONLY_YES), casts, seats=late)
    assert may_vote(question(*stages, options=ONLY_YES), casts, seats=seats("1:C"))


def test_a_question_is_counted_only_when_all_its_counts_are_numbers() -> None:
    sentence = r"^A question is resolved before votes are counted\.$"
    for broken in (
        Stage("Stage", (Need("A", "majority"),), 1),
        Stage("Stage", (Need("A", 1),), "all"),
        Stage("Stage", (Need("A", "all"),), "all"),
    ):
        with pytest.raises(ValueError, match=sentence):
            decide(question(broken), [])


@pytest.mark.parametrize(
    "demands, groups, possible",
    [
        ([], {}, True),
        ([Demand(0, 1)], {}, True),
        ([Demand(1, 1)], {}, False),
        ([Demand(2, 1)], {1: 2}, True),
        ([Demand(3, 1)], {1: 2, 2: 5}, False),
        ([Demand(1, 1), Demand(1, 2)], {3: 1, 1: 1}, True),
        ([Demand(1, 1), Demand(1, 2)], {3: 1}, False),
        ([Demand(1, 1), Demand(1, 2)], {3: 1, 4: 9}, False),
        # The first takes whoever comes first, and must give them back to the second.
        ([Demand(2, 3), Demand(2, 1)], {1: 2, 2: 2}, True),
        ([Demand(2, 3), Demand(3, 1)], {1: 3, 2: 1}, False),
        ([Demand(2, 3), Demand(2, 1)], {1: 3, 2: 1}, True),
        ([Demand(3, 7), Demand(2, 3), Demand(2, 1)], {1: 3, 2: 2, 4: 2}, True),
        ([Demand(3, 7), Demand(2, 3), Demand(3, 1)], {1: 3, 2: 2, 4: 2}, False),
        ([Demand(2, 7), Demand(2, 3), Demand(3, 1)], {1: 3, 2: 2, 4: 2}, True),
        ([Demand(4, 7), Demand(2, 3), Demand(1, 1)], {1: 1, 3: 2, 7: 4}, True),
        ([Demand(5, 7), Demand(2, 3), Demand(1, 1)], {1: 1, 3: 2, 7: 4}, False),
        ([Demand(1, 6), Demand(1, 5), Demand(1, 3)], {4: 1, 2: 1, 1: 1}, True),
        # Whoever was given up once cannot be given up again.
        ([Demand(1, 3), Demand(1, 1), Demand(1, 1)], {1: 1, 2: 2}, False),
        ([Demand(2, 3), Demand(1, 1), Demand(2, 1)], {1: 2, 2: 3}, False),
        ([Demand(2, 6), Demand(2, 5), Demand(2, 3)], {4: 2, 2: 2, 1: 2}, True),
        ([Demand(2, 6), Demand(2, 5), Demand(3, 3)], {4: 2, 2: 2, 1: 2}, False),
        ([Demand(2, 6), Demand(2, 6), Demand(2, 3)], {4: 1, 2: 3, 1: 2}, True),
        ([Demand(2, 6), Demand(2, 6), Demand(3, 3)], {4: 1, 2: 3, 1: 2}, False),
    ],
)
def test_demands_are_met_by_different_people(
    demands: list[Demand], groups: dict[int, int], possible: bool
) -> None:
    assert can_be_met(demands, groups) is possible


# What resolving leaves.


def test_a_question_of_abstentions_is_not_made_ready() -> None:
    for options in ((), BOTH[3:]):
        with pytest.raises(QuestionInvalid) as caught:
            resolve(question(stage(("A", 1)), options=options), eligible=lambda *_: 1)
        assert caught.value.errors == [
            {"pointer": "/options", "message": "At least one option must settle the question."}
        ]


def test_each_need_of_each_stage_is_asked_for_by_its_place() -> None:
    asked: list[tuple[int, int]] = []

    def eligible(place: int, need: int) -> int:
        asked.append((place, need))
        return 1

    resolve(question(stage(("A", 1), ("B", 1)), stage(("C", 1))), eligible=eligible)
    assert asked == [(0, 0), (0, 1), (1, 0)]


def test_an_amount_of_nothing_climbs_no_ladder() -> None:
    ladder = (LadderStep(Decimal(0), "boss"), LadderStep(Decimal("0.5"), "chief"))
    tall = Stage("Stage", (Need("A", 1),), 1, ladder)
    roles = {
        amount: [need.role for need in resolve_stage(tall, [1], amount).needs]
        for amount in (Decimal(0), Decimal("0.4"), Decimal("0.6"), None, Decimal("NaN"))
    }
    assert list(roles.values()) == [
        ["A"],
        ["A", "boss"],
        ["A", "chief"],
        ["A", "chief"],
        ["A", "chief"],
    ]
    assert resolve_stage(tall, [1], None).ladder == ()


def test_counts_are_asked_of_exactly_as_many_needs_as_there_are() -> None:
    with pytest.raises(ValueError, match="zip"):
        resolve_stage(stage(("A", 1)), [1, 2], None)


def test_a_whole_number_is_written_as_one() -> None:
    ladder = (LadderStep(Decimal("5.0"), "boss"), LadderStep(Decimal("5.5"), "chief"))
    written = render_stage(Stage("Stage", (Need("A", 1),), 1, ladder))["ladder"]
    assert [repr(rung["above"]) for rung in written] == ["5", "5.5"]
