"""What a link's page shows to its person at this instant; looking changes nothing."""

from typing import Any

from approvals.confirmation import asks_for
from approvals.errors import (
    AlreadyDecided,
    AlreadyVoted,
    ChannelNotAllowed,
    DeskNeeded,
    LinkExpired,
    LinkOfAnother,
    LinkUsed,
    NotEligible,
    Refusal,
    SignInNeeded,
    TicketChanged,
)
from approvals.models import DecisionLink, User
from approvals.safeguards import Confirmed, Safeguards, must_confirm, takes
from approvals.services.policies import published, safeguards_of
from audit.clock import db_now
from reviews.admin.choices import Typed
from reviews.admin.rows import chip_of
from reviews.admin.ticket_page import TicketPage, consequence
from reviews.display import fields, inert
from reviews.models import Ticket
from reviews.models.checkpoint import Risk

# What the page says → the refusal a vote meets there. Only `open` takes one.
REFUSALS: dict[str, type[Refusal]] = {
    "another": LinkOfAnother,
    "used": LinkUsed,
    "changed": TicketChanged,
    "decided": AlreadyDecided,
    "expired": LinkExpired,
    "voted": AlreadyVoted,
    "not-asked": NotEligible,
    "sign-in": SignInNeeded,
    "closed-door": ChannelNotAllowed,
    "desk": DeskNeeded,
}
# The states in which the proposal itself is shown: the link still is what it was sent as.
_SHOWING = frozenset({"open", "sign-in", "desk", "closed-door"})
# The states in which the outcome, or one's own vote, is told.
_TELLING = frozenset({"used", "decided", "voted"})


class MailPage:
    """One link, as one browser sees it."""

    def __init__(
        self,
        link: DecisionLink,
        *,
        signed_in: User | None,
        confirmed: Confirmed = "",
        typed: Typed | None = None,
    ) -> None:
        self.link, self.person, self.signed_in = link, link.person, signed_in
        self.confirmed: Confirmed = confirmed
        self.now = db_now()
        self.ticket = Ticket.objects.select_related(
            "decision__policy", "checkpoint", "requester"
        ).get(pk=link.decision.subject)
        self.typed = typed or Typed()
        self.seen: TicketPage | None = None
        if self._is_theirs():
            self.seen = TicketPage(self.ticket, self.person, self.typed)
        self.state = self._state()

    def _is_theirs(self) -> bool:
        """Tell whether the ticket may be shown at all: to this person, and to nobody else."""
        if self.signed_in is not None and self.signed_in.pk != self.person.pk:
            return False
        return Ticket.objects.visible_to(self.person).filter(pk=self.ticket.pk).exists()

    def _state(self) -> str:
        if self.signed_in is not None and self.signed_in.pk != self.person.pk:
            return "another"
        if self.seen is None:
            return "not-asked"
        link, ticket, card = self.link, self.ticket, self.seen.card
        if link.used_at is not None:
            return "used"
        if card.state in ("decided", "closed"):
            return "decided"
        if link.decision_id != ticket.decision_id:
            return "changed"
        if link.expires_at <= self.now:
            return "expired"
        if card.state == "voted":
            return "voted"
        if card.state != "open":
            return "not-asked"
        if not takes(self.safeguards, "mail"):
            return "closed-door"
        if ticket.risk == Risk.HIGH:
            return "desk"
        known = ticket.risk == Risk.LOW and not self.must_confirm
        return "open" if known or self.signed_in is not None else "sign-in"

    @property
    def safeguards(self) -> Safeguards:
        """Return how votes on this question are taken."""
        return safeguards_of(published(self.ticket.decision.policy_id))

    @property
    def must_confirm(self) -> bool:
        """Tell whether the person must first show who they are."""
        return must_confirm(self.safeguards, risk=self.ticket.risk, confirmed=self.confirmed)

    @property
    def may_ask_again(self) -> bool:
        """Tell whether a fresh link would let this person decide."""
        asked = self.seen is not None and self.seen.card.state == "open"
        return asked and self.state in ("used", "changed", "expired")

    def context(self, *, banner: str = "", sent: bool = False) -> dict[str, Any]:
        """Return what the page shows; as little as its state needs."""
        seen, ticket = self.seen, self.ticket
        shown: dict[str, Any] = {
            "title": f"{ticket.label} · {inert.plain(ticket.checkpoint.title)}",
            "now": self.now,
            "state": self.state,
            "ticket": ticket,
            "person": self.person,
            "signed_in": self.signed_in,
            "banner": banner,
            "sent": sent,
            "link": self.link,
            "may_ask_again": self.may_ask_again,
            "at_the_desk": self.person.is_staff,
            "asks_for": asks_for(self.person) if self.must_confirm else "",
            "doors": self.safeguards.channels,
        }
        if seen is None or self.state not in _SHOWING | _TELLING:
            return shown
        card = seen.card
        sentence = fields.effect(ticket.checkpoint.effect_sentence, seen.content, ticket.amount)
        options = {option.key: option.label for option in seen.poll.question.options}
        shown |= {
            "sentence": sentence,
            "card": card,
            "chip": chip_of(ticket, now=self.now),
            "own_answer": options.get(card.own_vote.choice, "") if card.own_vote else "",
        }
        if self.state in _TELLING:
            return shown
        whole = seen.context()
        kept = (
            *("fields", "changes", "amount", "hidden", "decision"),
            *("claim", "blind", "track"),
        )
        return (
            shown
            | {name: whole[name] for name in kept}
            | {
                "consequence": consequence(seen.poll.question),
                "choices": sorted([*card.plain, *card.forms], key=lambda choice: choice.place),
                "typed": self.typed,
                "policy": ticket.decision.policy,
            }
        )
