"""One ticket's story as people read it, from the audit trail."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from audit.models import AuditEvent
from audit.timeline import what

_CAST = "ticket.vote_cast"

# What the page of its own ticket says otherwise than the trail, which also names the ticket. In
# small letters: the name of who did it stands before it.
_SAID = {
    "ticket.opened": "opened this ticket",
    "ticket.claimed": "claimed it",
    "ticket.released": "gave it back",
    "ticket.assigned": "assigned it",
    "ticket.vote_cast": "voted",
    "ticket.vote_withdrawn": "took a vote back",
    "ticket.settled": "Settled",
    "ticket.decided": "Decided",
    "ticket.returned": "Returned for changes",
    "ticket.resubmitted": "submitted a new round",
    "ticket.due_soon": "Due soon",
    "ticket.reminded": "Who still has to vote was reminded",
    "ticket.breached": "Overdue",
    "ticket.escalated": "Escalated",
    "ticket.expired": "Expired: nobody answered in time",
    "ticket.consumed": "consumed the receipt",
    "ticket.commented": "remarked",
    "ticket.review_requested": "asked for a person to look at it",
    "ticket.test_mail_sent": "sent a test mail",
    "bypass.used": "Passed under a bypass",
    "checkpoint.paused": "Its checkpoint pauses",
    "checkpoint.resumed": "Its checkpoint goes on",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of the story. `shape` tells people from machines and the service itself."""

    at: datetime
    shape: str
    who: str
    said: str
    more: str
    reason: str
    channel: str
    position: str
    digest: str
    hash: str


def story_of(events: Iterable[AuditEvent], *, labels: Mapping[str, str]) -> list[Moment]:
    """Return events of one stream as lines of its story, in their order.

    :param labels: the options' keys with their labels, so that votes read as they were shown.
    """
    return [_moment(event, labels) for event in events]


def _moment(event: AuditEvent, labels: Mapping[str, str]) -> Moment:
    said = _SAID.get(event.type) or what(event.type, event.data)
    own = said[:1].islower()
    lent_by = event.personal.get("principal_label", "") if event.type == _CAST else ""
    return Moment(
        at=event.at,
        shape=event.actor_kind if event.actor_kind in ("human", "machine") else "service",
        who=f"{event.actor_label or 'Countersign'}{lent_by and f' for {lent_by}'}" if own else "",
        said=said,
        more=_more(event.type, event.data, labels),
        reason=event.reason if event.type != "ticket.decided" else "",
        channel=event.channel,
        position=f"#{event.seq} on {event.stream}",
        digest=str(event.data.get("digest", "")) if isinstance(event.data, dict) else "",
        hash=event.hash,
    )


def _more(type: str, data: Any, labels: Mapping[str, str]) -> str:
    if not isinstance(data, dict):
        return ""
    if type in ("ticket.vote_cast", "ticket.vote_withdrawn"):
        choice = str(data.get("choice", ""))
        return labels.get(choice, choice)
    if type in ("ticket.decided", "ticket.settled"):
        outcome = str(data.get("outcome") or "")
        words = [labels.get(outcome, outcome)]
        if data.get("by") not in (None, "votes"):
            words.append(f"by {data['by']}")
        return ", ".join(word for word in words if word)
    if type == "ticket.assigned":
        return f"to {data.get('person', '')}"
    if type == "ticket.released" and data.get("why"):
        return f"{data.get('person', '')} had it, but {data['why']}"
    if type == "ticket.test_mail_sent":
        return f"sample {data.get('sample')}, to {data.get('people')} people"
    if type == "ticket.escalated":
        role = data.get("role")
        return f"{data.get('why', '')}" + (f"; {role} is asked as well" if role else "")
    if type in ("ticket.opened", "ticket.resubmitted"):
        rule = data.get("rule")
        return str(rule.get("why", "")) if isinstance(rule, dict) else ""
    return ""
