"""A choice made blind: what the AI prefers is not told before the person has answered.

A checkpoint asks for it with `"blind": true` in its view. Its offers then stand in an order of
each viewer's own, which stays the same from look to look, and without their weights.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeVar

from approvals.models import Decision, User
from approvals.options import Option
from reviews.models import Ticket

Item = TypeVar("Item")
_TOLD = ("key", "label", "pros", "cons")


@dataclass(frozen=True, slots=True)
class Blind:
    """One viewer's look at one question they have not answered."""

    viewer: int
    digest: str

    def _shuffled(self, items: Iterable[Item], key: Callable[[Item], str]) -> list[Item]:
        def place(item: Item) -> str:
            return sha256(f"{self.digest}:{self.viewer}:{key(item)}".encode()).hexdigest()

        return sorted(items, key=place)

    def options(self, options: Iterable[Option]) -> tuple[Option, ...]:
        """Return the options, the answers first and in this viewer's order."""
        mixed = self._shuffled(options, lambda option: option.key)
        return tuple(sorted(mixed, key=lambda option: option.effect != "answer"))

    def policy(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Return a frozen question whose options are in this viewer's order."""
        mixed = self._shuffled(question["options"], lambda option: str(option["key"]))
        return {**question, "options": sorted(mixed, key=lambda one: one["effect"] != "answer")}

    def claim(self, ai: Any) -> dict[str, Any]:
        """Return what the AI offers: for and against, without what tells which it prefers."""
        offers = ai.get("options") if isinstance(ai, Mapping) else None
        plain = [offer for offer in offers or () if isinstance(offer, Mapping)]
        mixed = self._shuffled(plain, lambda offer: str(offer.get("key")))
        told = [{name: offer[name] for name in _TOLD if name in offer} for offer in mixed]
        return {"options": told} if told else {}


def blind_for(
    ticket: Ticket, decision: Decision, viewer: User, *, answered: bool = False
) -> Blind | None:
    """Return how somebody looks at a ticket that is to be answered blind; None: as it is.

    Whoever may not vote looks in the same way: they may be lent a vote, and they may talk.
    """
    asked = ticket.status == Ticket.Status.PENDING and decision.settled_at is None
    if not asked or answered or viewer.is_machine or viewer.pk == ticket.requester_id:
        return None
    view = ticket.checkpoint.view
    if not isinstance(view, Mapping) or view.get("blind") is not True:
        return None
    return Blind(viewer.pk, decision.digest)
