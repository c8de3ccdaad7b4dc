"""Votes, and how the votes for one exact outcome walk through the stages of a question."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypeAlias
from uuid import UUID

from approvals.stages import Stage

Seat: TypeAlias = tuple[int, str]  # (stage index, role)
VoteId: TypeAlias = int | str | UUID
Names: TypeAlias = frozenset[int | str]
NOBODY: Names = frozenset()


@dataclass(frozen=True, slots=True)
class Cast:
    """One person's vote as it stands now.

    ``outcome`` is the digest of the response or amendments, "" without any. ``seats`` are what
    the person holds now, escalated roles included; ``eligible`` is false for a vote that must
    not count any more. ``names`` are the id and the user name that ``people`` lists may use.
    """

    voter: int
    choice: str
    outcome: str
    seats: frozenset[Seat]
    eligible: bool
    at: datetime
    vote_id: VoteId
    names: Names = NOBODY


class Seated(NamedTuple):
    """Somebody who has not voted and still may: the seats held, and the names listed under."""

    seats: frozenset[Seat]
    names: Names = NOBODY


class Step:
    """One stage, ready for counting."""

    __slots__ = ("counts", "escalated", "needs", "place", "rejections")

    def __init__(self, place: int, stage: Stage, escalated: frozenset[str]) -> None:
        self.place = place
        self.needs = [((place, need.role), frozenset(need.people)) for need in stage.needs]
        counts = [need.count for need in stage.needs]
        self.counts = [count for count in counts if isinstance(count, int)]
        if len(self.counts) < len(counts) or not isinstance(stage.rejections, int):
            raise ValueError("A question is resolved before votes are counted.")
        self.rejections = stage.rejections
        self.escalated = frozenset((place, role) for role in escalated)

    def fitting(self, person: Cast | Seated) -> Iterator[int]:
        """Yield the needs this person may fill, in order."""
        seats, names = person.seats, person.names
        # Escalation widens who is asked: such a seat fits each need, listed people or not.
        anywhere = bool(self.escalated) and not self.escalated.isdisjoint(seats)
        for place, (seat, people) in enumerate(self.needs):
            if anywhere or (seat in seats and (not people or not people.isdisjoint(names))):
                yield place

    def seats(self, person: Cast | Seated) -> bool:
        return next(self.fitting(person), None) is not None


class Walk:
    """How far one outcome has got. Votes that fit a later stage wait for it."""

    __slots__ = ("choice", "decided_by", "filled", "open", "outcome", "stage", "steps", "waiting")

    def __init__(self, steps: list[Step], choice: str, outcome: str) -> None:
        self.steps, self.choice, self.outcome = steps, choice, outcome
        self.stage = 0
        self.open = list(steps[0].counts)
        self.filled: list[VoteId] = []
        self.waiting: list[Cast] = []
        self.decided_by: VoteId | None = None

    def open_need(self, person: Cast | Seated) -> int | None:
        """Return the first open need of the current stage that this person may fill."""
        if self.stage == len(self.steps):
            return None
        fitting = self.steps[self.stage].fitting(person)
        return next((place for place in fitting if self.open[place]), None)

    def add(self, cast: Cast) -> None:
        if not self.fill(cast):
            self.waiting.append(cast)
            return
        while not any(self.open):
            self.stage += 1
            if self.stage == len(self.steps):
                self.decided_by = cast.vote_id
                return
            self.open = list(self.steps[self.stage].counts)
            self.waiting = [early for early in self.waiting if not self.fill(early)]

    def fill(self, cast: Cast) -> bool:
        place = self.open_need(cast)
        if place is None:
            return False
        self.open[place] -= 1
        self.filled.append(cast.vote_id)
        return True

    def still_open(self) -> list[list[int]]:
        """Return what each stage from the current one on would still need, votes waiting used."""
        needs, waiting = [self.open], self.waiting
        for step in self.steps[self.stage + 1 :]:
            ahead = Walk([step], self.choice, self.outcome)
            waiting = [early for early in waiting if not ahead.fill(early)]
            needs.append(ahead.open)
        return needs
