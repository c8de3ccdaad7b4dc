"""What the database itself refuses about tickets."""

from audit.triggers import Trigger, changed, immutable
from reviews.lifecycle import TRANSITIONS

_ALLOWED = " OR ".join(
    f"(OLD.status = '{old}' AND NEW.status = '{new}')"
    for old, news in sorted(TRANSITIONS.items())
    for new in sorted(news)
)

_DECIDED = (
    *("outcome", "by", "effect", "outcome_digest", "response", "amendments", "approved_content"),
    *("approved_action_digest", "settled_at", "final_at", "revocable_until"),
)
# What was decided stands once its ticket says so; a turn writes the decision before the ticket.
_FINAL = f"""
NEW.last_event_id IS DISTINCT FROM OLD.last_event_id AND ({changed(*_DECIDED)})
AND (OLD.closed_at IS NOT NULL OR EXISTS (
    SELECT 1 FROM reviews_ticket t WHERE t.decision_id = NEW.id AND t.status <> 'pending'
))
"""  # noqa: S608

TRIGGERS = [
    Trigger(
        "decision_final", "approvals_decision", "UPDATE", "a final decision never changes", _FINAL
    ),
    Trigger(
        "ticket_transition",
        "reviews_ticket",
        "UPDATE",
        "a ticket does not move this way",
        f"NEW.status <> OLD.status AND NOT ({_ALLOWED})",
    ),
    Trigger(
        "ticket_told",
        "reviews_ticket",
        "UPDATE",
        "a ticket changes only together with its audit event",
        "(NEW.status <> OLD.status OR NEW.decision_id <> OLD.decision_id "
        "OR NEW.version <> OLD.version) AND NEW.last_event_id = OLD.last_event_id",
    ),
    immutable(
        "reviews_ticket",
        columns=("ref", "requester_id", "access_key_id", "created_at", "checkpoint_id"),
        name="ticket_origin",
        sentence="where a ticket came from never changes",
    ),
    Trigger("ticket_kept", "reviews_ticket", "DELETE", "tickets are never deleted"),
]
