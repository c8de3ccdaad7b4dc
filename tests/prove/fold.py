"""A second reading of the story: what a ticket must look like, from its events alone."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Folded:
    """A ticket as its events tell it."""

    status: str = ""
    round: int = 1
    outcome: str = ""
    votes: dict[str, str] = field(default_factory=dict)

    def read(self, type: str, data: dict[str, Any]) -> None:
        """Take one event in."""
        reader = getattr(self, type.partition(".")[2], None)
        if reader is not None:
            reader(data)

    def opened(self, _data: dict[str, Any]) -> None:
        self.status = "pending"

    def vote_cast(self, data: dict[str, Any]) -> None:
        self.votes[data["vote"]] = data["choice"]

    def vote_withdrawn(self, data: dict[str, Any]) -> None:
        del self.votes[data["vote"]]
        if data["reopened"]:
            self.outcome = ""

    def settled(self, data: dict[str, Any]) -> None:
        self.outcome = data["outcome"]

    def decided(self, data: dict[str, Any]) -> None:
        self.status = data["status"]
        self.outcome = data.get("outcome", self.outcome)

    returned = expired = decided

    def resubmitted(self, data: dict[str, Any]) -> None:
        self.status, self.round, self.outcome, self.votes = "pending", data["round"], "", {}

    def cancelled(self, _data: dict[str, Any]) -> None:
        if self.status == "pending":
            self.outcome = ""
        self.status = "cancelled"

    def revoked(self, _data: dict[str, Any]) -> None:
        self.status = "revoked"


def fold(events: Iterable[tuple[str, dict[str, Any]]]) -> Folded:
    """Return what these (type, data) of one stream, in order, amount to."""
    folded = Folded()
    for kind, data in events:
        folded.read(kind, data)
    return folded
