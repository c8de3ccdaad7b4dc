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

    TicketQuerySet.locked = lambda self: self.all()  # type: ignore[method-assign]


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


_PATCHES: dict[str, Callable[[], None]] = {
    "link-confirm": _without_link_confirm,
    "whole-token": _without_whole_tokens,
    "link-once": _without_link_once,
    "wrong-link-limit": _without_wrong_link_limit,
    "redaction": _without_redaction,
    "ticket-lock": _without_ticket_lock,
    "head-lock": _without_head_lock,
    "own-work": _without_own_work,
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
