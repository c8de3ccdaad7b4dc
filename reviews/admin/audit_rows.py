"""Events of the trail as the audit page shows them: who, what, on what, and what changed."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.urls import reverse

from approvals.models import AccessKey, ApprovalPolicy, User
from audit.differences import Difference
from audit.models import AuditEvent
from audit.timeline import CHANNELS, what, who
from reviews.models import Checkpoint, Ticket
from reviews.services.lookup import as_uuid
from reviews.services.upkeep import AUDIT_STREAM

_ASIDE = {"changes", "weakens", "question"}  # members a row shows in a form of their own


def shown(events: Sequence[AuditEvent]) -> list[dict[str, Any]]:
    """Return events as the page shows them, what they are about named and linked."""
    places = _places({event.stream for event in events})
    people = _people(events)
    return [
        {
            "event": event,
            "who": who(event),
            "shape": {"human": "human", "machine": "machine"}.get(event.actor_kind, "service"),
            "what": _what(event, people),
            "place": places.get(event.stream, (event.stream, "")),
            "channel": CHANNELS.get(event.channel, event.channel),
            "changes": _changes(event.data),
            "weakens": event.data.get("weakens", []),
            "data": _rest(event.data),
        }
        for event in events
    ]


def _what(event: AuditEvent, people: dict[int, str]) -> str:
    if event.type == "role.changed":
        said = []
        for word, verb in (("joined", "added"), ("left", "removed")):
            names = [people.get(pk, f"somebody ({pk})") for pk in event.data.get(word, [])]
            said += [f"{verb} {', '.join(names)}"] if names else []
        for word, verb in (("given", "gave it"), ("taken", "took from it")):
            rights = [right.replace("_", " ") for right in event.data.get(word, [])]
            said += [f"{verb} {', '.join(rights)}"] if rights else []
        if "no_longer_votes_on" in event.data:
            said.append(f"took its vote on {event.data['no_longer_votes_on']} away")
        return "; ".join(said) or ("made it" if event.data.get("made") else "changed it")
    return what(event.type, event.data)


def _people(events: Sequence[AuditEvent]) -> dict[int, str]:
    wanted = {
        pk
        for event in events
        if event.type == "role.changed"
        for word in ("joined", "left")
        for pk in event.data.get(word, [])
    }
    return {user.pk: user.label for user in User.objects.filter(pk__in=wanted)} if wanted else {}


def _changes(data: dict[str, Any]) -> list[Difference]:
    rows = data.get("changes")
    if not isinstance(rows, list):
        return []
    return [
        Difference(str(row.get("field")), str(row.get("before", "")), str(row.get("after", "")))
        for row in rows
        if isinstance(row, dict)
    ]


def _rest(data: dict[str, Any]) -> str:
    rest = {name: value for name, value in data.items() if name not in _ASIDE}
    if "changes" not in data and "question" in data:
        rest["question"] = data["question"]
    return json.dumps(rest, indent=1, ensure_ascii=False) if rest else ""


def _places(streams: set[str]) -> dict[str, tuple[str, str]]:
    """Return what each stream is about: (words, address)."""
    kinds: dict[str, list[str]] = {}
    for stream in streams:
        kind, _, name = stream.partition(":")
        kinds.setdefault(kind, []).append(name)
    found: dict[str, tuple[str, str]] = {"system": ("the service", ""), AUDIT_STREAM: ("", "")}
    tickets = Ticket.objects.filter(pk__in=_ids(kinds.get("ticket", [])))
    for ticket in tickets.only("id", "ref", "title"):
        page = reverse("admin:reviews_ticket_change", args=[ticket.pk])
        found[f"ticket:{ticket.pk}"] = (f"{ticket.label} {ticket.title}", page)
    policies = ApprovalPolicy.objects.filter(slug__in=kinds.get("policy", []))
    for policy in policies.order_by("version"):
        page = reverse("admin:approvals_approvalpolicy_change", args=[policy.pk])
        found[f"policy:{policy.slug}"] = (policy.name, page)
    for checkpoint in Checkpoint.objects.filter(slug__in=kinds.get("checkpoint", [])):
        page = reverse("admin:reviews_checkpoint_change", args=[checkpoint.pk])
        found[f"checkpoint:{checkpoint.slug}"] = (checkpoint.title, page)
    for key in AccessKey.objects.filter(pk__in=_ids(kinds.get("key", []))):
        page = reverse("admin:approvals_accesskey_change", args=[key.pk])
        found[f"key:{key.pk}"] = (f"key {key.name}", page)
    numbers = [name for name in kinds.get("role", []) if name.isdigit()]
    for role in Group.objects.filter(pk__in=numbers):
        page = reverse("admin:auth_group_change", args=[role.pk])
        found[f"role:{role.pk}"] = (f"role {role.name}", page)
    for stream in streams:
        if stream.startswith(("queue:", "queuechoice:", "region:", "calendar:")):
            found[stream] = ("", "")  # the sentence names it
    return found


def _ids(names: list[str]) -> list[UUID]:
    return [pk for pk in map(as_uuid, names) if pk is not None]
