"""C10: every column of every model, sent to every route: nothing privileged changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import models

from approvals.models import AccessKey, Decision, User, Vote
from reviews.models import Assignment, Comment, Ticket
from reviews.services.votes import cast_vote
from tests.prove import web
from tests.prove.cast import Cast, cast, person
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

WATCHED: list[type[models.Model]] = [Ticket, Decision, Vote, User, AccessKey, Assignment, Comment]
Json = dict[str, Any]


def columns() -> dict[str, list[models.Field[Any, Any]]]:
    """Return every member name a model has, with the fields that bear it."""
    found: dict[str, list[models.Field[Any, Any]]] = {}
    for model in apps.get_models():
        if model._meta.app_label in {"audit", "approvals", "reviews"}:
            for column in model._meta.concrete_fields:
                for name in {column.name, column.attname}:
                    found.setdefault(name, []).append(column)
    return dict(sorted(found.items()))


def privileged(column: models.Field[Any, Any], standing: Json) -> Any:
    """Return a value for a column that nobody may choose and that differs from any default."""
    if column.choices:
        return str(list(column.choices)[-1][0])
    if isinstance(column, models.ForeignKey):
        return standing.get(str(column.related_model._meta.model_name), 1)
    for kind, value in (
        (models.UUIDField, "01900000-0000-7000-8000-00000000beef"),
        (models.BooleanField, True),
        (models.DateTimeField, "2099-01-01T00:00:00Z"),
        (models.JSONField, ["beef"]),
        (models.IntegerField, 48879),
        (models.FloatField, 0.48879),
        (models.DecimalField, "48879.00"),
    ):
        if isinstance(column, kind):
            return value
    return "beef"


def routes(people: Cast, ticket: Ticket, decided: Ticket) -> Iterator[tuple[str, str, Json, str]]:
    """Yield every route that takes a body: method, path, a good body, whose call it is."""
    one, two = f"/api/v1/tickets/{ticket.pk}", f"/api/v1/tickets/{decided.pk}"
    digest, voter = decided.decision.action_digest, people.voters[0].get_username()
    bodies: list[tuple[str, str, Json, str]] = [
        ("POST", "/api/v1/tickets", {"checkpoint": people.checkpoint, "title": "New"}, "key"),
        ("POST", "/api/v1/tickets/bulk", {"tickets": [{"title": "New"}]}, "key"),
        ("POST", f"{one}/resubmit", {"proposal": {"amount": 7}}, "key"),
        ("POST", f"{one}/cancel", {"reason": "no"}, "key"),
        ("POST", f"{two}/receipt", {"nonce": "n", "digest": digest}, "key"),
        ("POST", f"{one}/votes", {"choice": "approve", "version": 1}, "person"),
        ("POST", f"{one}/claim", {}, "person"),
        ("POST", f"{one}/release", {}, "person"),
        ("POST", f"{one}/comments", {"text": "hm"}, "person"),
        ("POST", f"{two}/revoke", {"reason": "no"}, "voter"),
        ("POST", f"{one}/skip", {}, "person"),
        ("POST", f"{one}/escalate", {"reason": "late"}, "person"),
        ("POST", f"{one}/assign", {"person": voter}, "person"),
        ("POST", f"{one}/test-mail", {}, "person"),
        ("POST", f"{two}/acknowledge", {}, "key"),
        ("POST", f"{two}/request-review", {"reason": "no"}, "key"),
        ("POST", f"/api/v1/checkpoints/{people.checkpoint}/simulate", {"latest": 5}, "person"),
        ("POST", f"/api/v1/policies/{decided.decision.policy_id}/simulate", {}, "person"),
        (
            *("POST", "/api/v1/tickets/bulk-votes"),
            *({"choice": "approve", "tickets": [{"id": str(ticket.pk), "version": 1}]}, "person"),
        ),
        ("POST", "/api/v1/delegations", {"delegate": voter, "ends_at": "2099-01-01"}, "person"),
        ("POST", "/api/v1/bypasses", {"duration": "1h", "reason": "all is on fire"}, "person"),
        ("POST", "/api/v1/webhooks", {"name": "mine", "url": "https://example.com/"}, "person"),
        ("POST", "/api/v1/queues/general/next", {}, "person"),
        ("POST", "/api/v1/keys", {"name": "mine", "kind": "personal"}, "person"),
        ("POST", "/hitl/tickets", {"title": "New"}, "key"),
    ]
    yield from bodies
    pages = ["/api/v1/tickets", one, f"{one}/votes", f"{one}/votes/mine", "/api/v1/me"]
    pages += ["/api/v1/keys", f"/api/v1/keys/{people.key.pk}", "/api/v1/checkpoints"]
    pages += [f"/api/v1/checkpoints/{people.checkpoint}", "/api/v1/policies"]
    for path in pages:
        yield "PATCH", path, {}, "key"
        yield "PATCH", path, {}, "person"


def snapshot() -> dict[tuple[str, Any], Json]:
    """Return every watched row by table and key."""
    return {
        (model._meta.label, row["pk"]): row
        for model in WATCHED
        for row in model._default_manager.annotate(pk_=models.F("pk")).values(
            "pk", *(column.attname for column in model._meta.concrete_fields)
        )
    }


def _like(stored: Any, sent: Any) -> bool:
    if isinstance(stored, UUID):
        return str(stored) == str(sent)
    if hasattr(stored, "isoformat"):
        return str(stored.isoformat()).startswith(str(sent).rstrip("Z"))
    return (type(stored) is type(sent) and bool(stored == sent)) or str(stored) == str(sent)


def taken_over(before: dict[Any, Json], name: str, sent: Any) -> int:
    """Return how many rows now hold, in the column of that name, the value that was sent."""
    count = 0
    for key, row in snapshot().items():
        if row == before.get(key):
            continue
        for attname in {name, f"{name}_id"} & row.keys():
            old = before.get(key, {}).get(attname)
            count += _like(row[attname], sent) and not _like(old, sent)
    return count


def _ticket_for(people: Cast, voter: User) -> tuple[Ticket, Ticket]:
    decided = people.open()
    cast_vote(ticket_id=decided.pk, voter=voter, choice="approve", version=1)
    return people.open(), Ticket.objects.select_related("decision").get(pk=decided.pk)


# What a caller may choose; a control sends these to see that a change would be found.
CHOSEN: dict[str, Any] = {"title": "beef", "priority": "low", "domain": "beef", "impact": "beef"}


def attempt(scene: Scene, *, share: float, chosen: dict[str, Any] | None = None) -> Figure:
    people = cast(voters=2)
    voter, other = people.voters
    boss = person("a-boss", "lead")
    standing: Json = {"user": boss.pk, "ticket": str(people.open().pk)}
    names = columns()
    taken: list[str] = []
    answers: Counter[str] = Counter()
    tried = 0
    with scene.served() as url:
        clients = {
            "key": web.Client(url, people.token),
            "person": web.Client(url, web.token_of(other, [str(s) for s in AccessKey.Scope])),
            "voter": web.Client(url, web.token_of(voter)),
        }
        count = len(list(routes(people, *_ticket_for(people, voter))))
        sent: list[tuple[str, Any]] = (
            list(chosen.items())
            if chosen
            else [(n, privileged(c, standing)) for n, cs in names.items() for c in cs[:1]]
        )
        picked = scene.rng.sample(sent, max(1, round(len(sent) * share)))
        for number in range(count):
            fresh: tuple[Ticket, Ticket] | None = None
            for name, value in picked:
                # A refused call leaves the tickets as they were, for the next.
                fresh = fresh or _ticket_for(people, voter)
                method, path, good, who = list(routes(people, *fresh))[number]
                if name in good and not chosen:
                    continue
                before = snapshot() if chosen else None
                body = _with(good, name, value)
                status, answer, _ = clients[who].call(method, path, body)
                tried += 1
                answers[f"{method} {status}"] += 1
                if status < 400:
                    fresh = None
                    held = taken_over(before, name, value) if before is not None else 0
                    if before is None:
                        held = _accepted(path, answer, name, value)
                    if held:
                        taken.append(f"{method} {path.split('/')[-1]} {name}")
    return figure(
        f"{len(picked)} member names × {count} routes = {tried} calls",
        details={"taken": taken[:100], "answers": dict(answers)},
        privileged_changes=len(taken),
        server_errors=sum(n for name, n in answers.items() if name.split()[1].startswith("5")),
    )


def _with(good: Json, name: str, value: Any) -> Json:
    if "tickets" in good:
        return {"tickets": [{**good["tickets"][0], name: value}]}
    return {**good, name: value}


OPEN = set(CHOSEN) | {
    *("checkpoint", "proposal", "reference", "summary", "ai", "amount", "financial_impact"),
    *("compliance", "novel_pattern", "labels", "preset", "question", "interaction", "pipeline"),
    *("callback_url", "on_behalf_of", "previous", "region", "expires_at", "reason", "version"),
    *("person", "until", "delegate", "lender", "roles", "starts_at", "ends_at", "incident"),
    *(
        "password",
        "networks",
        "response",
        "amendments",
        "name",
        "kind",
        "scopes",
        "nonce",
        "digest",
        "result",
    ),
}


def _accepted(path: str, answer: Any, name: str, value: Any) -> int:
    """Tell whether an accepted call took a member nobody may choose into a row."""
    if name in OPEN:
        return 0
    if "bulk" in path and isinstance(answer, dict) and not answer.get("opened"):
        return 0
    rows = [model._default_manager.order_by("-pk").values().first() or {} for model in WATCHED]
    return sum(
        _like(row[attname], value) for row in rows for attname in {name, f"{name}_id"} & row.keys()
    )


def run(scene: Scene) -> Figure:
    return attempt(scene, share=min(1.0, max(scene.scale, 0.1)))


def control(scene: Scene) -> Figure:
    """Send members that a caller may choose: the same eyes must see them arrive."""
    return attempt(scene, share=1.0, chosen=CHOSEN)


ROW = Row("C10", "Read-only stays read-only", run, control)
