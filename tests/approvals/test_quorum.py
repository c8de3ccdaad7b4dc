"""Votes become an outcome: a table of polls, and attempts to cheat the count."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from approvals.presets import PRESETS
from approvals.question import Need, Option, Question, Stage, parse_question
from approvals.quorum import Cast, Seated, Tally, VoteId, decide, may_fill, may_vote

MORNING = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
OPTIONS = (
    Option("approve", "Approve", "allow"),
    Option("modify", "Modify", "allow"),
    Option("answer", "Answer", "answer"),
    Option("reject", "Reject", "deny"),
    Option("cannot", "Cannot", "deny"),
    Option("return", "Return", "return"),
    Option("abstain", "Abstain", "none"),
)
NOBODY: frozenset[int | str] = frozenset()


def question(*stages: Stage) -> Question:
    return Question(OPTIONS, None, stages)


def stage(*needs: tuple[str, int], rejections: int = 1) -> Stage:
    return Stage("Stage", tuple(Need(role, count) for role, count in needs), rejections)


def seats(*held: str) -> frozenset[tuple[int, str]]:
    """Read "A" as role A in the first stage and "1:A" as role A in the second."""
    pairs = (seat.rpartition(":") for seat in held)
    return frozenset((int(place or 0), role) for place, _, role in pairs)


def cast(voter: int, choice: str, *held: str, outcome: str = "", **more: Any) -> Cast:
    known: dict[str, Any] = {"eligible": True, "at": MORNING + timedelta(seconds=voter), **more}
    return Cast(voter, choice, outcome, seats(*held), vote_id=voter, **known)


def poll(asked: Question, *casts: Cast, **more: Any) -> tuple[str, VoteId] | None:
    winner = decide(asked, casts, **more).winner
    return None if winner is None else (winner.choice, winner.deciding_vote_id)


ONE = question(stage(("A", 1)))
TWO = question(stage(("A", 2)))
TWO_AND_TWO = question(stage(("A", 2), rejections=2))
BOTH = question(stage(("A", 1), ("B", 1)))
STEPS = question(stage(("A", 1)), stage(("B", 1)))


@pytest.mark.parametrize(
    "asked, casts, winner",
    [
        (ONE, [], None),
        (ONE, [cast(1, "approve", "A")], ("approve", 1)),
        (ONE, [cast(1, "reject", "A")], ("reject", 1)),
        (ONE, [cast(1, "return", "A")], ("return", 1)),
        (ONE, [cast(1, "answer", "A", outcome="x")], ("answer", 1)),
        (ONE, [cast(1, "abstain", "A")], None),
        (ONE, [cast(1, "approve", "B")], None),
        (ONE, [cast(1, "reject", "B")], None),
        (ONE, [cast(1, "approve")], None),
        (ONE, [cast(1, "approve", "1:A")], None),
        (ONE, [cast(1, "shrug", "A")], None),
        (TWO, [cast(1, "approve", "A")], None),
        (TWO, [cast(1, "approve", "A"), cast(2, "approve", "A")], ("approve", 2)),
        (TWO, [cast(1, "approve", "A"), cast(2, "abstain", "A")], None),
        (TWO, [cast(1, "approve", "A"), cast(2, "reject", "A")], ("reject", 2)),
        (TWO, [cast(1, "modify", "A", outcome="x"), cast(2, "modify", "A", outcome="y")], None),
        (TWO, [cast(n, "modify", "A", outcome="x") for n in (1, 2)], ("modify", 2)),
        (TWO, [cast(1, "approve", "A"), cast(2, "modify", "A")], None),
        (TWO_AND_TWO, [cast(1, "reject", "A")], None),
        (TWO_AND_TWO, [cast(1, "reject", "A"), cast(2, "reject", "A", outcome="b")], ("reject", 2)),
        (TWO_AND_TWO, [cast(1, "reject", "A"), cast(2, "cannot", "A")], None),
        (TWO_AND_TWO, [cast(1, "reject", "A"), cast(2, "return", "A")], None),
        (
            TWO_AND_TWO,
            [cast(1, "reject", "A"), cast(2, "approve", "A"), cast(3, "approve", "A")],
            ("approve", 3),
        ),
        (BOTH, [cast(1, "approve", "A", "B")], None),
        (BOTH, [cast(1, "approve", "A"), cast(2, "approve", "B")], ("approve", 2)),
        (BOTH, [cast(1, "approve", "B"), cast(2, "approve", "A")], ("approve", 2)),
        (BOTH, [cast(1, "approve", "A", "B"), cast(2, "approve", "B")], ("approve", 2)),
        # The first open need takes the first vote, so the second finds none: the rule is simple.
        (BOTH, [cast(1, "approve", "A", "B"), cast(2, "approve", "A")], None),
        (STEPS, [cast(1, "approve", "A", "1:B")], None),
        (STEPS, [cast(1, "approve", "A"), cast(2, "approve", "1:B")], ("approve", 2)),
        (STEPS, [cast(1, "approve", "1:B"), cast(2, "approve", "A")], ("approve", 2)),
        (STEPS, [cast(1, "approve", "A"), cast(2, "approve", "B")], None),
        (STEPS, [cast(1, "approve", "A"), cast(2, "modify", "1:B")], None),
        (STEPS, [cast(1, "reject", "1:B")], None),
        (STEPS, [cast(1, "approve", "A"), cast(2, "reject", "1:B")], ("reject", 2)),
        (STEPS, [cast(1, "approve", "A"), cast(2, "reject", "A")], ("reject", 2)),
    ],
)  # fmt: skip
def test_the_table_of_polls(
    asked: Question, casts: list[Cast], winner: tuple[str, VoteId] | None
) -> None:
    assert poll(asked, *casts) == winner


def test_a_rejection_settles_before_a_quorum() -> None:
    approvals = [cast(n, "approve", "A") for n in (1, 2)]
    assert poll(TWO, approvals[0], cast(3, "reject", "A")) == ("reject", 3)
    # Even together with a quorum, whichever was first: a no nobody acted against stands.
    assert poll(TWO, *approvals, cast(3, "reject", "A")) == ("reject", 3)
    assert poll(TWO, *approvals, cast(0, "reject", "A")) == ("reject", 0)


def test_at_the_same_instant_the_refusal_counts_first() -> None:
    together = [cast(n, c, "A", at=MORNING) for n, c in enumerate(["approve", "return", "reject"])]
    winner = decide(ONE, together).winner
    assert winner is not None
    assert (winner.choice, winner.effect) == ("reject", "deny")
    assert decide(ONE, together[::-1]).winner == winner


def test_a_refusal_waiting_in_a_later_stage_settles_when_the_stage_opens() -> None:
    early = cast(1, "reject", "1:B")
    assert poll(STEPS, early) is None
    assert poll(STEPS, early, cast(2, "approve", "A")) == ("reject", 1)


def test_a_no_waiting_in_a_later_stage_comes_before_a_not_yet() -> None:
    waiting = [cast(1, "return", "1:B"), cast(2, "reject", "1:B")]
    assert poll(STEPS, *waiting, cast(3, "approve", "A")) == ("reject", 2)


def test_a_modification_needs_its_own_way_through_every_stage() -> None:
    casts = [cast(1, "approve", "A"), cast(2, "modify", "1:B", outcome="x")]
    tally = decide(STEPS, casts)
    assert (tally.winner, tally.stage) == (None, 1)
    casts.append(cast(3, "modify", "A", outcome="x"))
    assert poll(STEPS, *casts) == ("modify", 3)


def test_two_outcomes_cannot_both_win() -> None:
    casts = [cast(1, "approve", "A"), cast(2, "modify", "A", outcome="x")]
    assert poll(ONE, *casts) == ("approve", 1)
    assert poll(ONE, *casts[::-1]) == ("approve", 1)


# Attempts to cheat the count


def test_one_person_never_fills_two_needs_however_often_they_vote() -> None:
    often = [cast(1, "approve", "A", "B", at=MORNING + timedelta(seconds=n)) for n in range(9)]
    assert poll(BOTH, *often) is None
    assert poll(TWO, *often) is None
    again = [cast(1, "reject", "A"), cast(1, "reject", "A")]
    assert poll(TWO_AND_TWO, *again) is None


def test_one_persons_second_choice_does_not_count() -> None:
    casts = [cast(1, "approve", "A"), cast(1, "reject", "A", at=MORNING + timedelta(hours=1))]
    assert poll(TWO, *casts) is None
    assert decide(TWO, casts).counted == (1,)


@pytest.mark.parametrize("choice", ["approve", "reject", "return", "answer"])
def test_a_vote_that_became_ineligible_does_not_count(choice: str) -> None:
    tally = decide(ONE, [cast(1, choice, "A", eligible=False)])
    assert (tally.winner, tally.approvals, tally.rejections, tally.counted) == (None, 0, 0, ())


def test_a_vote_that_became_ineligible_opens_its_need_for_the_next() -> None:
    lost = cast(1, "approve", "A", eligible=False)
    assert poll(TWO, lost, cast(2, "approve", "A")) is None
    assert poll(TWO, lost, cast(2, "approve", "A"), cast(3, "approve", "A")) == ("approve", 3)


def test_a_vote_of_a_second_stage_survives_a_loss_in_the_first() -> None:
    second = cast(2, "approve", "1:B")
    assert poll(STEPS, cast(1, "approve", "A", eligible=False), second) is None
    again = [cast(1, "approve", "A", eligible=False), second, cast(3, "approve", "A")]
    assert poll(STEPS, *again) == ("approve", 3)


def test_a_response_does_not_split_the_refusals() -> None:
    texts = [cast(n, "reject", "A", outcome=str(n)) for n in (1, 2)]
    winner = decide(TWO_AND_TWO, texts).winner
    assert winner is not None
    assert winner.outcome == ""


def test_a_role_seated_in_another_stage_does_not_help() -> None:
    asked = question(stage(("A", 1)), stage(("A", 1)))
    assert poll(asked, cast(1, "approve", "A"), cast(2, "approve", "A")) is None
    assert poll(asked, cast(1, "approve", "A"), cast(2, "approve", "1:A")) == ("approve", 2)


def test_only_listed_people_count_for_a_narrowed_need() -> None:
    asked = question(Stage("Stage", (Need("A", 1, (7, "ana")),)))
    assert poll(asked, cast(1, "approve", "A", names=frozenset({1, "eve"}))) is None
    assert poll(asked, cast(1, "reject", "A", names=frozenset({1, "eve"}))) is None
    assert poll(asked, cast(1, "approve", "A", names=frozenset({1, "ana"}))) == ("approve", 1)
    assert poll(asked, cast(1, "approve", "A", names=frozenset({7}))) == ("approve", 1)
    # "7" is a user name, 7 is an id.
    assert poll(asked, cast(1, "approve", "A", names=frozenset({"7"}))) is None


def test_counting_before_the_shares_are_numbers_is_an_error() -> None:
    with pytest.raises(ValueError, match="resolved"):
        decide(parse_question(PRESETS["vote"]), [])


# Escalation


def test_an_escalation_widens_who_is_asked_and_decides_nothing() -> None:
    asked = {"escalated": frozenset({"lead"})}
    assert poll(TWO, **asked) is None
    lead = cast(2, "approve", "lead")
    assert poll(TWO, cast(1, "approve", "A"), lead) is None
    assert poll(TWO, cast(1, "approve", "A"), lead, **asked) == ("approve", 2)
    assert poll(TWO, cast(1, "reject", "lead"), **asked) == ("reject", 1)


def test_an_escalated_person_still_fills_one_need_only() -> None:
    asked = {"escalated": frozenset({"lead"})}
    assert poll(BOTH, cast(1, "approve", "lead"), **asked) is None
    two = [cast(1, "approve", "lead"), cast(2, "approve", "lead")]
    assert poll(BOTH, *two, **asked) == ("approve", 2)


def test_an_escalated_role_counts_only_in_the_stage_it_sits_in() -> None:
    asked = {"escalated": frozenset({"lead"})}
    assert poll(STEPS, cast(1, "approve", "1:lead"), **asked) is None
    assert poll(STEPS, cast(1, "reject", "1:lead"), **asked) is None


def test_an_escalated_person_need_not_be_on_the_requesters_list() -> None:
    asked = question(Stage("Stage", (Need("A", 1, ("ana",)),)))
    lead = cast(1, "approve", "lead", names=frozenset({"lee"}))
    assert poll(asked, lead) is None
    assert poll(asked, lead, escalated=frozenset({"lead"})) == ("approve", 1)


# What the tally says


def test_the_tally_counts_the_leading_outcome_through_all_stages() -> None:
    asked = question(stage(("A", 2), rejections=3), stage(("B", 1), ("C", 1)))
    casts = [cast(1, "approve", "A"), cast(2, "modify", "A", outcome="x")]
    casts += [cast(3, "approve", "A"), cast(4, "approve", "1:C")]
    casts += [cast(5, "reject", "A"), cast(6, "cannot", "A"), cast(7, "reject", "A")]
    remaining = [Seated(seats("1:B")), Seated(seats("A")), Seated(seats("D")), Seated(seats())]
    assert decide(asked, casts, remaining=remaining) == Tally(
        winner=None,
        stage=1,
        needed=4,
        approvals=3,
        rejections=2,
        eligible_left=2,
        can_settle=True,
        counted=(1, 3, 4, 2, 5, 7, 6),
    )


def test_a_winners_votes_are_the_ones_counted() -> None:
    casts = [cast(1, "modify", "A", outcome="x"), cast(2, "approve", "A"), cast(3, "approve", "A")]
    tally = decide(TWO_AND_TWO, casts)
    assert tally.counted == (2, 3)
    refused = decide(TWO_AND_TWO, [*casts[:2], cast(3, "reject", "A"), cast(4, "reject", "A")])
    assert refused.counted == (3, 4)


def test_without_knowing_who_is_left_the_tally_does_not_give_up() -> None:
    tally = decide(TWO, [])
    assert (tally.eligible_left, tally.can_settle) == (None, True)


@pytest.mark.parametrize(
    "asked, casts, left, can",
    [
        (ONE, [], [], False),
        (ONE, [], [["A"]], True),
        (ONE, [], [["B"]], False),
        (ONE, [cast(1, "abstain", "A")], [], False),
        (TWO_AND_TWO, [cast(1, "approve", "A"), cast(2, "reject", "A")], [], False),
        (TWO_AND_TWO, [cast(1, "approve", "A"), cast(2, "reject", "A")], [["A"]], True),
        (TWO, [], [["A"]], True),
        (TWO_AND_TWO, [], [["A"]], False),
        (TWO_AND_TWO, [cast(1, "modify", "A", outcome="x")], [["A"]], True),
        (BOTH, [], [["A", "B"]], True),
        (question(stage(("A", 1), ("B", 1), rejections=9)), [], [["A", "B"]], False),
        (question(stage(("A", 1), ("B", 1), rejections=9)), [], [["A", "B"], ["A"]], True),
        (question(stage(("A", 1), ("B", 1), rejections=9)), [], [["A"], ["A"]], False),
        # A refusal in the second stage can still come, when somebody else leads there.
        (question(stage(("A", 1), rejections=9), stage(("B", 5))), [], [["A"], ["1:B"]], True),
        (question(stage(("A", 1), rejections=9), stage(("B", 5))), [], [["A", "1:B"]], False),
        (question(stage(("A", 1), rejections=9), stage(("B", 5))), [], [["1:B"], ["1:B"]], False),
        (
            question(stage(("A", 1), rejections=9), stage(("B", 5))),
            [cast(1, "reject", "1:B")],
            [["A"]],
            True,
        ),
    ],
)
def test_whether_anything_can_still_settle(
    asked: Question, casts: list[Cast], left: list[list[str]], can: bool
) -> None:
    remaining = [Seated(seats(*held)) for held in left]
    assert decide(asked, casts, remaining=remaining).can_settle is can


def test_a_waiting_vote_may_take_the_seat_somebody_else_needed() -> None:
    # The waiting vote fits both needs of the second stage and will take the first; the person
    # left fits only that one. On paper both could be filled, in this order they cannot.
    asked = question(stage(("A", 1), rejections=9), stage(("B", 1), ("C", 1), rejections=9))
    waiting = cast(1, "approve", "1:B", "1:C")
    left = [Seated(seats("A")), Seated(seats("1:B"))]
    assert decide(asked, [waiting], remaining=left).can_settle is False
    left = [Seated(seats("A")), Seated(seats("1:C"))]
    assert decide(asked, [waiting], remaining=left).can_settle is True


def test_a_large_role_is_counted_as_fast_as_a_small_one() -> None:
    asked = question(*[stage(("A", 200), ("B", 200), rejections=999) for _ in range(3)])
    held = [("A", "B"), ("A",), ("1:A", "2:B"), ("1:B",), ("2:A",), ("B",)]
    remaining = [Seated(seats(*held[n % 6])) for n in range(1_199)]
    assert decide(asked, [], remaining=remaining).can_settle is False


# Whether a person may vote


@pytest.mark.parametrize(
    "asked, casts, choice, held, may",
    [
        (ONE, [], "approve", ["A"], True),
        (ONE, [], "approve", ["B"], False),
        (ONE, [], "approve", [], False),
        (ONE, [], "shrug", ["A"], False),
        (ONE, [], "abstain", ["A"], True),
        (ONE, [], "abstain", ["B"], False),
        (BOTH, [cast(1, "approve", "A")], "approve", ["A"], False),
        (BOTH, [cast(1, "approve", "A")], "approve", ["B"], True),
        (BOTH, [cast(1, "approve", "A")], "modify", ["A"], True),
        (BOTH, [cast(1, "approve", "A")], "reject", ["A"], True),
        (STEPS, [], "approve", ["1:B"], False),
        (STEPS, [], "reject", ["1:B"], False),
        (STEPS, [cast(1, "approve", "A")], "approve", ["1:B"], True),
        (STEPS, [cast(1, "approve", "A")], "reject", ["1:B"], True),
        (STEPS, [cast(1, "approve", "A")], "reject", ["A"], True),
        (STEPS, [cast(1, "approve", "A")], "modify", ["1:B"], False),
        (ONE, [cast(1, "approve", "A")], "approve", ["A"], False),
    ],
)
def test_who_may_still_vote_for_what(
    asked: Question, casts: list[Cast], choice: str, held: list[str], may: bool
) -> None:
    found = may_fill(asked, casts, choice=choice, outcome="", seats=seats(*held), names=NOBODY)
    assert found is may
    if may:
        assert may_vote(asked, casts, seats=seats(*held), names=NOBODY)
