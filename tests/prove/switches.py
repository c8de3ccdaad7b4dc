"""Mechanisms that a negative control switches off, in this process and in its database.

What is patched here is named in the environment as well, so that every worker and every server
a control starts lacks the same mechanism. Nothing of this exists in the product.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

NAME = "PROVE_OFF"


def off() -> frozenset[str]:
    """Return the names of the mechanisms that are switched off for this process."""
    return frozenset(filter(None, os.environ.get(NAME, "").split(",")))


def remember(names: Iterable[str]) -> None:
    """Name mechanisms for this process and every one it starts."""
    os.environ[NAME] = ",".join(sorted(off() | set(names)))


def before_django() -> None:
    """Switch off what only settings can; call it once settings are importable."""
    if "immediate" in off():
        from django.conf import settings

        options = settings.DATABASES["default"]["OPTIONS"]
        options["transaction_mode"], options["timeout"] = "DEFERRED", 0.05


def apply() -> None:
    """Patch this process so that it lacks what is switched off. Harmless to repeat."""
    for name in off():
        patch = _PATCHES.get(name)
        if patch:
            patch()


def _without_ticket_lock() -> None:
    from reviews.querysets import TicketQuerySet

    TicketQuerySet.locked = lambda self, **_: self.all()  # type: ignore[method-assign]


def _without_head_lock() -> None:
    from audit import services

    first = services._locked_head

    def unlocked(cursor: Any, stream: str) -> tuple[int, str]:
        cursor.execute("SELECT seq, hash FROM audit_chainhead WHERE stream = %s", [stream])
        seq, last = cursor.fetchone() or first(cursor, stream)
        return seq, last

    services._locked_head = unlocked


def _without_own_work() -> None:
    from reviews.services import tickets

    tickets.own_work_of = lambda **_: ({}, None)  # type: ignore[attr-defined]


def _without_event_unity() -> None:
    """Write events in a way whose failure does not undo what they tell of."""
    from django.db import DatabaseError, transaction

    from audit import services
    from reviews import events

    def apart(stream: str, drafts: Sequence[services.Draft]) -> None:
        try:
            with transaction.atomic():
                services.record(stream, drafts)
        except DatabaseError:
            pass  # the event is lost, and what it told of stays: the fault this control shows

    events.record = apart


def _without_link_confirm() -> None:
    """Let the address in a mail decide by itself, as links with a verb in them do."""
    from reviews.mailpage import views
    from reviews.services.mail_links import vote_by_link

    looking = views.OpenLink.get

    def deciding(self: Any, request: Any, token: str) -> Any:
        link = views.find_link(token)
        if link is not None and link.used_at is None:
            vote_by_link(link=link, signed_in=None, choice="approve")
        return looking(self, request, token)

    views.OpenLink.get = deciding  # type: ignore[method-assign]


def _without_whole_tokens() -> None:
    """Compare tokens as some mail programs write them: folded to small letters, tail cut."""
    from approvals.services import links

    whole = links.token_hash
    links.token_hash = lambda token: whole(token.casefold()[:32])


def _without_link_once() -> None:
    from reviews.services import mail_links

    mail_links.use_link = lambda **_: None


def _without_wrong_link_limit() -> None:
    from reviews.mailpage import views

    views.MOST_WRONG = 10**9


def _without_redaction() -> None:
    from hitl_project import logs

    logs.SECRETS = ()  # type: ignore[assignment]


def _without_inert() -> None:
    """Write texts into pages and mails as they came, and send no content security policy."""
    from django.template import base
    from django.utils.safestring import mark_safe

    from audit import inert
    from hitl_project import security
    from reviews.display import inert as shown
    from reviews.mailpage import views

    rendered = base.render_value_in_context

    def as_it_came(value: Any, context: Any) -> str:
        return rendered(mark_safe(value) if isinstance(value, str) else value, context)

    def raw(text: object) -> Any:
        return mark_safe(str(text))

    base.render_value_in_context = as_it_came
    for module in (inert, shown):
        module.visible = raw
        module.plain = str  # type: ignore[assignment]
    security.ContentSecurityPolicy._add = staticmethod(  # type: ignore[method-assign]
        lambda request, response: response
    )
    views.POLICY = "default-src * 'unsafe-inline' 'unsafe-eval' data:"


def _without_frozen_question() -> None:
    """Read the question where it is edited, as designs do that keep only a foreign key."""
    from approvals.models import ApprovalPolicy, Decision
    from approvals.question import Question, resolve
    from approvals.services import decisions, polls
    from approvals.services.policies import question_of_policy

    def live(decision: Decision) -> Question:
        versions = ApprovalPolicy.objects.filter(slug=decision.policy.slug)
        newest = versions.order_by("-version").first()
        assert newest is not None
        return resolve(question_of_policy(newest), eligible=lambda *_: 1)

    polls.question_of = decisions.question_of = live


def _without_rights_now() -> None:
    """Count every vote by the rights its voter had once."""
    from approvals.quorum import Cast
    from approvals.services.polls import Poll

    def casts(self: Poll) -> list[Cast]:
        stages = self.question.stages
        every = frozenset((n, need.role) for n, s in enumerate(stages) for need in s.needs)
        return [
            Cast(v.principal_id, v.choice, v.outcome_digest, every, True, v.cast_at, v.pk)
            for v in self.votes
        ]

    Poll.casts = casts  # type: ignore[method-assign]


def _without_one_voice() -> None:
    """Ask only the constraints whether somebody has voted already."""
    from dataclasses import replace

    from approvals.services import polls

    asked = polls.refusal
    polls.refusal = lambda standing, *args, **more: asked(  # type: ignore[attr-defined]
        replace(standing, already_voted=False), *args, **more
    )


def _without_receipt_check() -> None:
    """Read a token as a program does that only looks what it says."""
    import jwt
    from hitl_client import receipts

    from approvals.models import Decision

    decode = jwt.decode

    def reading(token: str, key: Any, **given: Any) -> Any:
        given["options"] = given["options"] | {"verify_signature": False}
        return decode(token, key, **given)

    jwt.decode = reading
    receipts.check_action = lambda *_: None
    # Every digest equals the approved one.
    Decision.executed_digest = property(lambda _: AnyDigest("0" * 64))  # type: ignore[assignment]


def _without_one_clock() -> None:
    from datetime import timedelta

    from audit import clock
    from reviews.services import sweeps, turns

    turns.db_now = sweeps.db_now = lambda: clock.db_now() + timedelta(milliseconds=500)


def _without_database_clock() -> None:
    """Decide by the clock of whichever host runs the code."""
    from audit.clock import shown_now
    from reviews.services import sweeps, tickets, turns

    turns.db_now = sweeps.db_now = tickets.db_now = shown_now


def _without_bounded_batches() -> None:
    """Sweep all that is due in one transaction."""
    from reviews.services import sweeps

    sweeps._batch = lambda: 10**9
    sweeps.sweep_deadlines.__kwdefaults__["at_most"] = 10**9


def _without_asked_by_error() -> None:
    from reviews import rules

    def passed(error: str, shadow: Any = (), *, unread: Any) -> rules.Verdict:
        return rules.Verdict("allow", None, "No rule matched; otherwise allow.", error, shadow)

    rules._asked_by_error = passed


def _without_listed_statuses() -> None:
    """End a ticket nobody answered as if somebody had."""
    from reviews import lifecycle

    lifecycle.timeout_status = lambda effect: lifecycle.status_for(effect or "deny")


def _without_key_history() -> None:
    from audit import keys

    keys.published_keys = lambda: [keys.signing_key().public_jwk()]


def _without_break_glass() -> None:
    """Take a session for proof of who somebody is, and start a bypass in silence."""
    from approvals.services import bypasses as starting
    from reviews.services import bypasses as telling

    starting.confirm_identity = lambda **_: None
    telling._tell = lambda *_: None


def _without_honest_description() -> None:
    """Tell a member wrong, fail at one address, and let calls without a key in."""
    from functools import wraps

    from rest_framework.serializers import BooleanField

    from approvals.api.authentication import AccessKeyAuthentication
    from approvals.models import User
    from reviews.api import me, shapes

    def failing(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError

    by_key = AccessKeyAuthentication.authenticate

    def anybody(self: AccessKeyAuthentication, request: Any) -> Any:
        return by_key(self, request) or (User.objects.order_by("pk").first(), None)

    for shape in (shapes.TicketListAnswer, shapes.TicketAnswer):
        shape._declared_fields["version"] = BooleanField()
    me.MyRequestsPage.get = wraps(me.MyRequestsPage.get)(failing)  # type: ignore[method-assign]
    AccessKeyAuthentication.authenticate = anybody  # type: ignore[method-assign]


def _without_socket_check() -> None:
    """Let whoever has a socket keep it, as connections do that are looked at only when opened."""
    from reviews.sockets import door

    door.still_standing = set


def _without_scope() -> None:
    """Show every ticket to everybody who is signed in."""
    from reviews import audience as many
    from reviews.querysets import TicketQuerySet
    from reviews.sockets import room

    TicketQuerySet.visible_to = lambda self, *_, **__: self  # type: ignore[method-assign]
    narrow = many.audience

    def to_all(people: Any, tickets: Any) -> Any:
        from dataclasses import replace

        return [replace(seen, by=frozenset(people)) for seen in narrow(people, tickets)]

    room.audience = to_all  # type: ignore[attr-defined]


def _without_key_state() -> None:
    from approvals.api import authentication

    authentication.is_good = lambda *_args, **_more: True


def _without_quota() -> None:
    from reviews.services import tickets

    tickets.take_opening = lambda _key: None


class AnyDigest(str):
    """A digest that equals every other."""

    __slots__ = ()

    def __ne__(self, other: object) -> bool:
        return False

    __eq__ = object.__eq__
    __hash__ = str.__hash__


_PATCHES: dict[str, Callable[[], None]] = {
    "database-clock": _without_database_clock,
    "bounded-batches": _without_bounded_batches,
    "key-state": _without_key_state,
    "quota": _without_quota,
    "break-glass": _without_break_glass,
    "scope": _without_scope,
    "socket-check": _without_socket_check,
    "honest-description": _without_honest_description,
    "inert": _without_inert,
    "link-confirm": _without_link_confirm,
    "whole-token": _without_whole_tokens,
    "link-once": _without_link_once,
    "wrong-link-limit": _without_wrong_link_limit,
    "redaction": _without_redaction,
    "ticket-lock": _without_ticket_lock,
    "head-lock": _without_head_lock,
    "own-work": _without_own_work,
    "frozen-question": _without_frozen_question,
    "receipt-check": _without_receipt_check,
    "one-clock": _without_one_clock,
    "asked-by-error": _without_asked_by_error,
    "listed-statuses": _without_listed_statuses,
    "key-history": _without_key_history,
    "rights-now": _without_rights_now,
    "one-voice": _without_one_voice,
    "event-unity": _without_event_unity,
}


def drop_constraints(*names: str) -> None:
    """Take unique constraints and partial unique indexes out of this database."""
    from django.db import connection

    with connection.cursor() as cursor:
        for name in names:
            cursor.execute(
                "SELECT conrelid::regclass::text FROM pg_constraint WHERE conname = %s", [name]
            )
            found = cursor.fetchone()
            if found:
                cursor.execute(f'ALTER TABLE {found[0]} DROP CONSTRAINT "{name}"')
            else:
                cursor.execute(f'DROP INDEX "{name}"')


def drop_foreign_keys(table: str, column: str) -> None:
    """Take the foreign keys of one column out of this database."""
    from django.db import connection

    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, table)
        for name, what in found.items():
            if what["foreign_key"] and what["columns"] == [column]:
                cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')


def drop_triggers(*names: str) -> None:
    """Take triggers out of this database, by the names they are declared with; all without."""
    from django.db import connection

    from audit import triggers

    chosen = [t for t in triggers.wanted(connection).values() if not names or t.name in names]
    assert len(chosen) >= len(names), f"one of {names} is not declared"
    with connection.cursor() as cursor:
        for trigger in chosen:
            if connection.vendor == "sqlite":
                cursor.execute(f"DROP TRIGGER {trigger.installed_name}")
            else:
                cursor.execute(f"DROP FUNCTION {trigger.installed_name}() CASCADE")
