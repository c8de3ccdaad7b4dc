"""A ticket on paper: what must become of it, by rules written down a second time.

Two of three people settle it by the same answer. No database, and no clock but the number of
minutes that have passed.
"""

from collections import Counter
from dataclasses import dataclass, field

HOLD, REVOCABLE, EXPIRES, RECEIPT = 5, 5, 24 * 60, 7 * 24 * 60
NEEDED = 2
STATUS = {
    "approve": "approved",
    "modify": "approved",
    "reject": "rejected",
    "request_changes": "needs_changes",
}
WAITING = ("pending", "needs_changes")


class Refused(Exception):
    """The act is refused with this code, and changes nothing."""


@dataclass
class Paper:
    """One ticket. `votes` are (choice, what it changes) by voter, as they stand."""

    now: int = 0
    status: str = "pending"
    round: int = 1
    votes: dict[int, tuple[str, int]] = field(default_factory=dict)
    winner: tuple[str, int] | None = None
    by: str = ""
    final_at: int = 0
    expires_at: int = EXPIRES
    consumed: bool = False

    def conclude(self) -> None:
        """Let time have its way."""
        if self.status == "pending" and self.winner:
            if self.final_at <= self.now:
                self.status = STATUS[self.winner[0]]
        elif self.status in WAITING and self.expires_at <= self.now:
            if self.status == "pending":
                self.winner, self.by = ("reject", 0), "timeout"
            self.status = "expired"

    def vote(self, voter: int, choice: str, changes: int) -> None:
        self.conclude()
        if self.votes.get(voter) == (choice, changes):
            return
        if self.winner or self.status != "pending":
            raise Refused("already-decided")
        if voter in self.votes:
            raise Refused("already-voted")
        self.votes[voter] = (choice, changes)
        self._count()

    def _count(self) -> None:
        # People who say no need not agree on more than the no.
        said = Counter(
            (choice, changes if choice == "modify" else 0)
            for choice, changes in self.votes.values()
        )
        won = [what for what, times in said.items() if times >= NEEDED]
        if won:
            self.winner, self.by, self.final_at = won[0], "votes", self.now + HOLD

    def withdraw(self, voter: int) -> None:
        self.conclude()
        if self.status != "pending":
            raise Refused("already-decided")
        if voter not in self.votes:
            raise Refused("wrong-state")
        choice, changes = self.votes.pop(voter)
        if self.winner and (choice, changes if choice == "modify" else 0) == self.winner:
            self.winner, self.by = None, ""
            final_at = self.final_at
            self._count()
            # Others who said the same carry it on, from the same moment.
            self.final_at = final_at if self.winner else 0

    def resubmit(self) -> None:
        self.conclude()
        if self.status not in WAITING:
            raise Refused("already-decided")
        self.status, self.round, self.votes = "pending", self.round + 1, {}
        self.winner, self.by, self.expires_at = None, "", self.now + EXPIRES

    def cancel(self) -> None:
        self.conclude()
        if self.status == "cancelled":
            return
        if self.status not in WAITING:
            raise Refused("already-decided")
        if self.status == "pending":
            self.winner, self.by = None, ""
        self.status = "cancelled"

    def revoke(self, voter: int) -> None:
        self.conclude()
        if self.status not in ("approved", "rejected"):
            raise Refused("wrong-state")
        assert self.winner is not None
        if self.now >= self.final_at + REVOCABLE:
            raise Refused("wrong-state")
        if self.consumed:
            raise Refused("already-consumed")
        choice, changes = self.votes.get(voter, ("", 0))
        if (choice, changes if choice == "modify" else 0) != self.winner:
            raise Refused("not-allowed")
        self.status = "revoked"

    def consume(self) -> None:
        self.conclude()
        if self.consumed:
            raise Refused("already-consumed")
        if self.status != "approved" or self.now >= self.final_at + RECEIPT:
            raise Refused("wrong-state")
        self.consumed = True

    def stands(self) -> dict[str, object]:
        """Return what can be compared with the tables."""
        return {
            "status": self.status,
            "round": self.round,
            "outcome": self.winner[0] if self.winner else "",
            "by": self.by,
            "votes": {voter: choice for voter, (choice, _) in self.votes.items()},
            "consumed": self.consumed,
            "closed": self.status not in WAITING,
        }
