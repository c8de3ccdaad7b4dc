"""From votes to an outcome: who counts towards what, what has won, and whether anything still can.

Options that allow or answer are tallied per exact outcome: people who agree must agree on the
same bytes. Each outcome walks the stages in order; a vote fills the first open need it fits and
nothing else. Options that deny or return are tallied per option and looked at first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from approvals.options import ALLOWING, REFUSING
from approvals.question import Question
from approvals.reachability import Demand, can_be_met
from approvals.walks import NOBODY, Cast, Names, Seat, Seated, Step, VoteId, Walk

__all__ = [
    "Cast",
    "Names",
    "Outcome",
    "Seat",
    "Seated",
    "Tally",
    "VoteId",
    "decide",
    "may_fill",
    "may_vote",
]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What won, and the vote that settled it."""

    choice: str
    effect: str
    outcome: str
    deciding_vote_id: VoteId


@dataclass(frozen=True, slots=True)
class Tally:
    """How the question stands.

    ``stage`` is the furthest one any outcome has reached. ``needed`` is how many votes an outcome
    needs through all stages and ``approvals`` how many the leading one has; ``rejections`` how
    many the leading refusing option has. ``eligible_left`` counts people who may still vote (None:
    not told). ``can_settle`` is false when no vote of theirs could settle the question any more.
    ``counted`` are the votes that made the winner, or that count towards anything so far.
    """

    winner: Outcome | None
    stage: int
    needed: int
    approvals: int
    rejections: int
    eligible_left: int | None
    can_settle: bool
    counted: tuple[VoteId, ...]


def decide(
    question: Question,
    casts: Iterable[Cast],
    *,
    escalated: frozenset[str] = frozenset(),
    remaining: Sequence[Seated] | None = None,
) -> Tally:
    """Return how the votes stand; the same votes in any order give the same answer.

    A refusing option wins as soon as enough people seated in one of the stages reached so far
    chose it, even against an outcome that has every vote it needs. So a later vote never takes a
    win away, except that a refusal may replace an approval nobody acted on.

    :raises ValueError: when the question's counts are not numbers yet (`question.resolve`).
    """
    votes = _Count(question, escalated)
    votes.read(casts)
    winner = votes.winner
    leading = votes.leading()
    groups = None if remaining is None else votes.groups(remaining)
    refusals = [max(against.votes[: votes.stage + 1]) for against in votes.refusing.values()]
    return Tally(
        winner=winner,
        stage=votes.stage,
        needed=sum(sum(step.counts) for step in votes.steps),
        approvals=len(leading.filled) if leading else 0,
        rejections=max(refusals, default=0),
        eligible_left=None if groups is None else sum(groups.values()) - groups.get(0, 0),
        can_settle=winner is not None or groups is None or votes.can_settle(groups),
        counted=votes.counted(),
    )


def may_fill(
    question: Question,
    casts: Iterable[Cast],
    *,
    choice: str,
    outcome: str,
    seats: frozenset[Seat],
    names: Names = NOBODY,
    escalated: frozenset[str] = frozenset(),
) -> bool:
    """Return whether this person's vote for this exact outcome would count now.

    Refusing and abstaining take any seat in a stage reached so far.
    """
    votes = _Count(question, escalated)
    votes.read(casts)
    effect = votes.effects.get(choice)
    if effect is None:
        return False
    person = Seated(seats, names)
    if effect in ALLOWING:
        return votes.walk_of(choice, outcome).open_need(person) is not None
    return votes.sits(person)


def may_vote(
    question: Question,
    casts: Iterable[Cast],
    *,
    seats: frozenset[Seat],
    names: Names = NOBODY,
    escalated: frozenset[str] = frozenset(),
) -> bool:
    """Return whether any vote of this person would count now."""
    votes = _Count(question, escalated)
    votes.read(casts)
    person = Seated(seats, names)
    if not ALLOWING.issuperset(votes.effects.values()):
        return votes.sits(person)
    walks = [*votes.walks.values(), Walk(votes.steps, "", "")]
    return any(walk.open_need(person) is not None for walk in walks)


_RANK = {"deny": 0, "return": 1, "allow": 2, "answer": 2, "none": 2}


class _Against:
    """The votes for one refusing option, per stage their voters sit in."""

    __slots__ = ("ids", "reached", "votes")

    def __init__(self, stages: int) -> None:
        self.votes = [0] * stages
        self.ids: list[list[VoteId]] = [[] for _ in range(stages)]
        self.reached: list[tuple[int, VoteId] | None] = [None] * stages


class _Count:
    """One reading of all votes, in the order they were cast."""

    def __init__(self, question: Question, escalated: frozenset[str]) -> None:
        self.effects = {option.key: option.effect for option in question.options}
        self.steps = [Step(place, stage, escalated) for place, stage in enumerate(question.stages)]
        numbers = count()
        self.bits = [[1 << next(numbers) for _ in step.needs] for step in self.steps]
        self.walks: dict[tuple[str, str], Walk] = {}
        self.refusing: dict[str, _Against] = {}
        self.stage = 0
        self.winner: Outcome | None = None
        self._won: list[VoteId] = []

    def read(self, casts: Iterable[Cast]) -> None:
        effects = self.effects
        counting = [cast for cast in casts if cast.eligible and effects.get(cast.choice)]
        # In the same instant a no comes before a not yet and that before a yes; then ids settle.
        counting.sort(key=lambda cast: (cast.at, _RANK[effects[cast.choice]], str(cast.vote_id)))
        voters: set[int] = set()
        for position, cast in enumerate(counting):
            if cast.voter in voters:
                continue  # the tables refuse a second vote; nothing here relies on that
            voters.add(cast.voter)
            effect = effects[cast.choice]
            if effect in ALLOWING:
                self._approve(cast, effect)
            elif effect in REFUSING:
                self._refuse(cast, position)
            if self._refused():
                return

    def _approve(self, cast: Cast, effect: str) -> None:
        key = (cast.choice, cast.outcome)
        walk = self.walks.get(key)
        if walk is None:
            walk = self.walks[key] = Walk(self.steps, *key)
        elif walk.decided_by is not None:
            return
        walk.add(cast)
        self.stage = max(self.stage, min(walk.stage, len(self.steps) - 1))
        if walk.decided_by is not None and self.winner is None:
            self.winner = Outcome(cast.choice, effect, cast.outcome, walk.decided_by)
            self._won = walk.filled

    def _refuse(self, cast: Cast, position: int) -> None:
        against = self.refusing.get(cast.choice)
        if against is None:
            against = self.refusing[cast.choice] = _Against(len(self.steps))
        for place, step in enumerate(self.steps):
            if step.seats(cast):
                against.votes[place] += 1
                against.ids[place].append(cast.vote_id)
                if against.votes[place] == step.rejections:
                    against.reached[place] = (position, cast.vote_id)

    def _refused(self) -> bool:
        """Settle on a refusing option that has enough votes in a stage reached so far."""
        found = [
            # A stage that opens may find several waiting: a no before a not yet, then the earlier.
            (_RANK[self.effects[choice]], reached[0], place, choice, reached[1])
            for choice, against in self.refusing.items()
            for place, reached in enumerate(against.reached[: self.stage + 1])
            if reached is not None
        ]
        if not found:
            return False
        _, _, place, choice, vote_id = min(found, key=lambda row: row[:3])
        self.winner = Outcome(choice, self.effects[choice], "", vote_id)
        self._won = self.refusing[choice].ids[place]
        return True

    def walk_of(self, choice: str, outcome: str) -> Walk:
        return self.walks.get((choice, outcome)) or Walk(self.steps, choice, outcome)

    def leading(self) -> Walk | None:
        return max(self.walks.values(), key=lambda w: (w.stage, len(w.filled)), default=None)

    def sits(self, person: Seated) -> bool:
        return any(step.seats(person) for step in self.steps[: self.stage + 1])

    def counted(self) -> tuple[VoteId, ...]:
        if self.winner is not None:
            return tuple(self._won)
        ids = [vote for walk in self.walks.values() for vote in walk.filled]
        for against in self.refusing.values():
            places = against.ids[: self.stage + 1]
            ids += dict.fromkeys(vote for place in places for vote in place)
        return tuple(ids)

    def groups(self, people: Iterable[Seated]) -> dict[int, int]:
        """Return how many of these people fit exactly which needs, as bits over all stages."""
        listed = any(names for step in self.steps for _, names in step.needs)
        # A role may have hundreds of people who differ by nothing that matters here.
        alike = Counter(people if listed else (Seated(person.seats) for person in people))
        groups: dict[int, int] = {}
        for person, number in alike.items():
            fits = sum(
                self.bits[step.place][place]
                for step in self.steps
                for place in step.fitting(person)
            )
            groups[fits] = groups.get(fits, 0) + number
        return groups

    def can_settle(self, groups: Mapping[int, int]) -> bool:
        """Return whether these people could still settle the question, voting as it takes.

        Exact: everybody has one vote, so an outcome can win when its open needs can be given to
        different people, and a refusal in a stage not reached yet also needs those who lead there.
        """
        return any(can_be_met(demands, groups) for demands in self._ways(self.bits))

    def _ways(self, bits: list[list[int]]) -> Iterator[list[Demand]]:
        """Yield, for each way the question could still settle, whom it takes."""
        refusing = [choice for choice, effect in self.effects.items() if effect in REFUSING]
        against = {
            choice: self.refusing[choice].votes if choice in self.refusing else [0] * len(bits)
            for choice in refusing
        }

        def refusals(place: int) -> Iterator[Demand]:
            for choice in refusing:
                missing = self.steps[place].rejections - against[choice][place]
                yield Demand(max(missing, 0), sum(bits[place]))

        for place in range(self.stage + 1):
            for demand in refusals(place):
                yield [demand]
        if ALLOWING.isdisjoint(self.effects.values()):
            return
        for walk in list(self.walks.values()) or [Walk(self.steps, "", "")]:
            demands: list[Demand] = []
            for place, needs in enumerate(walk.still_open(), start=walk.stage):
                if place > self.stage:
                    for demand in refusals(place):
                        yield [*demands, demand]
                demands += [
                    Demand(count, bit)
                    for count, bit in zip(needs, bits[place], strict=True)
                    if count
                ]
            yield demands
