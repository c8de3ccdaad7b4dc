"""Events told to people: who did what, and which way it came in."""

import re
from typing import Any

from audit.models import AuditEvent

# Each type in words that follow the actor's name. `{field}` is a member of the event's data.
WORDS: dict[str, str] = {
    "ticket.opened": "opened the ticket",
    "ticket.settled": "settled it: {outcome}",
    "ticket.assigned": "assigned it to {person}",
    "ticket.claimed": "took it on",
    "ticket.released": "gave it back to the queue",
    "ticket.skipped": "skipped it",
    "ticket.review_requested": "asked for a person to look at it: {review}",
    "ticket.link_requested": "asked for a fresh link",
    "ticket.test_mail_sent": "sent sample {sample} as a test mail",
    "ticket.commented": "commented",
    "ticket.vote_cast": "voted {choice}",
    "ticket.vote_withdrawn": "took back the vote {choice}",
    "ticket.returned": "sent it back for changes",
    "ticket.resubmitted": "sent it again, round {round}",
    "ticket.due_soon": "noted that it is due soon",
    "ticket.reminded": "reminded those who still have to vote",
    "ticket.breached": "noted that it is overdue",
    "ticket.escalated": "asked {role} as well",
    "ticket.decided": "made it final: {status}",
    "ticket.revoked": "revoked the decision",
    "ticket.overridden": "replaced the decision",
    "ticket.expired": "ended it: nobody answered in time",
    "ticket.cancelled": "cancelled it",
    "ticket.consumed": "used the approval",
    "ticket.result_recorded": "reported the result: {result}",
    "ticket.next_step_refused": "was refused the next step: {why}",
    "ticket.revocation_seen": "knows of the revocation",
    "bypass.started": "started a bypass",
    "bypass.used": "let it pass under a bypass",
    "checkpoint.paused": "paused its checkpoint",
    "checkpoint.resumed": "let its checkpoint go on",
    "bypass.ended": "ended the bypass",
    "bypass.reviewed": "reviewed the bypass",
    "policy.published": "published version {version}",
    "key.created": "made the key {prefix}",
    "key.renewed": "gave the key {prefix} a new secret",
    "key.revoked": "revoked the key",
    "key.handed_over": "handed over to a new signing key",
    "checkpoint.loaded": "loaded the checkpoint {slug}",
    "checkpoint.made": "made the checkpoint",
    "checkpoint.changed": "changed the checkpoint",
    "role.changed": "changed the role",
    "role.reviewed": "reviewed who is in the role",
    "queue.made": "made the queue {name}",
    "queue.changed": "changed the queue {name}",
    "queue.removed": "removed the queue {name}",
    "calendar.made": "made the calendar {name}",
    "calendar.changed": "changed the calendar {name}",
    "calendar.removed": "removed the calendar {name}",
    "queuechoice.made": "made the line {name}",
    "queuechoice.changed": "changed the line {name}",
    "queuechoice.removed": "removed the line {name}",
    "region.made": "made the region {name}",
    "region.changed": "changed the region {name}",
    "region.removed": "removed the region {name}",
    "identity.not_confirmed": "did not confirm who they are, by {by}",
    "audit.reviewed": "reviewed the audit",
    "service.restored": "brought the service back from a backup",
    "audit.exported": "took a copy of the audit away",
    "webhook.created": "made the endpoint {name}",
    "webhook.secret_rotated": "gave the endpoint {name} a new secret",
    "webhook.disabled": "disabled the endpoint {name}",
    "webhook.enabled": "enabled the endpoint {name}",
    "delivery.sent_again": "sent a parked delivery again",
    "learning.override_rate_high": "noted that people overrule the AI often",
    "learning.pattern_found": "found a pattern in how people overrule the AI",
    "learning.recalibrate": "asked for the AI to be recalibrated",
}
CHANNELS = {
    "web": "at the desk",
    "api": "over the API",
    "mail": "by mail",
    "chat": "in chat",
    "command": "on the command line",
    "system": "",
}
THE_SERVICE = "Countersign"
_LONGEST = 80
_MEMBER = re.compile(r"\{(\w+)\}")


def who(event: AuditEvent) -> str:
    """Return how the actor is named; one whose name was erased keeps their number."""
    if event.actor_kind == "system":
        return THE_SERVICE
    known = "Somebody" if event.actor_kind == "human" else "A machine"
    return event.actor_label or (f"{known} ({event.actor_id})" if event.actor_id else known)


def what(type: str, data: dict[str, Any]) -> str:
    """Return what happened in words, as plain text; a type nobody worded reads as it is called."""
    words = WORDS.get(type, type.rpartition(".")[2].replace("_", " "))
    # A member that is not there ends the sentence before it, so that it is shorter, not broken.
    known = _upto_missing(words, data)
    return _MEMBER.sub(lambda m: str(data[m[1]]).replace("_", " ")[:_LONGEST], known)


def _upto_missing(words: str, values: dict[str, Any]) -> str:
    for member in _MEMBER.finditer(words):
        if values.get(member[1]) in (None, ""):
            return words[: member.start()].rstrip(" :,")
    return words
