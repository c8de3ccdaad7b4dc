"""How often people agreed with the agent where it was about as sure as here."""

from reviews.display.fields import is_number
from reviews.models import Ticket

# Told of so many decisions at most, and of so many at least.
_LOOKED_AT = 300
_ENOUGH = 20
_ALIKE = 0.05


def record_of(ticket: Ticket) -> str:
    """Return how often people agreed at this confidence, in words."""
    confidence = ticket.ai.get("confidence") if isinstance(ticket.ai, dict) else None
    if not is_number(confidence):
        return ""
    decided = (
        Ticket.objects.filter(
            checkpoint=ticket.checkpoint_id,
            status__in=[Ticket.Status.APPROVED, Ticket.Status.REJECTED, Ticket.Status.ANSWERED],
            decision__by="votes",
        )
        .order_by("-id")
        .values_list("ai", "decision__effect", "decision__amendments")[:_LOOKED_AT]
    )
    alike = [
        effect in ("allow", "answer") and amendments is None
        for ai, effect, amendments in decided
        if isinstance(ai, dict)
        and is_number(ai.get("confidence"))
        and abs(ai["confidence"] - confidence) <= _ALIKE
    ]
    if len(alike) < _ENOUGH:
        return "too few decisions like this to compare"
    return f"people agreed in {sum(alike)} of {len(alike)} like this"
