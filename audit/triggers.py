"""Database triggers: rules that hold even for SQL nobody reviewed.

Each trigger is written once and rendered for both databases. An application declares its own
in `<app>/triggers.py` as `TRIGGERS`. They are dropped before a migration (SQLite rebuilds
tables, and refuses while another table's trigger names the one being rebuilt) and installed
again after it; a system check compares what is installed with what is declared.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

PREFIX = "cs_"


@dataclass(frozen=True, slots=True)
class Trigger:
    """Refuse `event` on `table` whenever `refuse_when` (SQL over NEW and OLD) is true."""

    name: str
    table: str
    event: str  # INSERT, UPDATE, DELETE or TRUNCATE (PostgreSQL only)
    sentence: str
    refuse_when: str = ""

    @property
    def fingerprint(self) -> str:
        text = f"{self.table}|{self.event}|{self.sentence}|{self.refuse_when}"
        return sha256(text.encode()).hexdigest()[:12]

    @property
    def installed_name(self) -> str:
        return f"{PREFIX}{self.name}_{self.fingerprint}"

    def statements(self, vendor: str) -> list[str]:
        return _sqlite(self) if vendor == "sqlite" else _postgresql(self)


def immutable(table: str, *, columns: Sequence[str], name: str, sentence: str) -> Trigger:
    """Refuse an update that changes any of `columns`."""
    return Trigger(name, table, "UPDATE", sentence, changed(*columns))


def changed(*columns: str) -> str:
    """Return SQL that is true when an update changes any of the columns."""
    return " OR ".join(f'NEW."{name}" IS DISTINCT FROM OLD."{name}"' for name in columns)


def append_only(table: str, *, name: str, sentence: str) -> list[Trigger]:
    """Refuse every update, delete and truncation of a table."""
    return [
        Trigger(f"{name}_{event.lower()}", table, event, sentence)
        for event in ("UPDATE", "DELETE", "TRUNCATE")
    ]


def _sqlite(trigger: Trigger) -> list[str]:
    if trigger.event == "TRUNCATE":
        return []  # SQLite has no TRUNCATE; its DELETE trigger stands in.
    when = f"WHEN {trigger.refuse_when}" if trigger.refuse_when else ""
    return [
        (
            f"CREATE TRIGGER {trigger.installed_name} BEFORE {trigger.event} ON {trigger.table} "
            f"FOR EACH ROW {when} BEGIN SELECT RAISE(ABORT, '{trigger.sentence}'); END"
        )
    ]


def _postgresql(trigger: Trigger) -> list[str]:
    name, raising = trigger.installed_name, f"RAISE EXCEPTION '{trigger.sentence}'"
    # The code of a check violation, so that Django reports an IntegrityError on both databases.
    raising += " USING ERRCODE = 'check_violation';"
    body = f"IF {trigger.refuse_when} THEN {raising} END IF;" if trigger.refuse_when else raising
    row = "OLD" if trigger.event in {"DELETE", "TRUNCATE"} else "NEW"
    each = "STATEMENT" if trigger.event == "TRUNCATE" else "ROW"
    return [
        (
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
            f"$body$ BEGIN {body} RETURN {row}; END $body$"
        ),
        (
            f"CREATE TRIGGER {name} BEFORE {trigger.event} ON {trigger.table} "
            f"FOR EACH {each} EXECUTE FUNCTION {name}()"
        ),
    ]


def declared() -> list[Trigger]:
    """Return every trigger the installed applications declare."""
    found: list[Trigger] = []
    for config in apps.get_app_configs():
        name = f"{config.name}.triggers"
        if find_spec(name):
            members = getattr(import_module(name), "TRIGGERS", [])
            found += [member for member in members if isinstance(member, Trigger)]
    return found


def wanted(connection: BaseDatabaseWrapper) -> dict[str, Trigger]:
    """Return the declared triggers this database can hold, by their installed names."""
    tables = set(connection.introspection.table_names())
    return {
        trigger.installed_name: trigger
        for trigger in declared()
        if trigger.table in tables and trigger.statements(connection.vendor)
    }


def installed(connection: BaseDatabaseWrapper) -> set[str]:
    """Return the names of our triggers that stand in the database."""
    if connection.vendor == "sqlite":
        query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    else:
        query = (
            "SELECT tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
            "WHERE NOT tgisinternal AND c.relnamespace = current_schema()::regnamespace"
        )
    with connection.cursor() as cursor:
        cursor.execute(query)
        return {name for (name,) in cursor.fetchall() if name.startswith(PREFIX)}


def drop_all(*, using: str = DEFAULT_DB_ALIAS, **_: Any) -> None:
    """Take every trigger of ours down, for the length of a migration."""
    connection = connections[using]
    for name in installed(connection):
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
            else:
                cursor.execute(f"DROP FUNCTION IF EXISTS {name}() CASCADE")


def install_all(*, using: str = DEFAULT_DB_ALIAS, **_: Any) -> None:
    """Bring the database's triggers to exactly what is declared."""
    connection = connections[using]
    due, standing = wanted(connection), installed(connection)
    with connection.cursor() as cursor:
        for name in standing - due.keys():
            if connection.vendor == "sqlite":
                cursor.execute(f"DROP TRIGGER {name}")
            else:
                cursor.execute(f"DROP FUNCTION {name}() CASCADE")
        for name in due.keys() - standing:
            for statement in due[name].statements(connection.vendor):
                cursor.execute(statement)


AUDIT_IS_APPEND_ONLY = "the audit trail is append-only"

TRIGGERS = [
    *append_only("audit_auditevent", name="event", sentence=AUDIT_IS_APPEND_ONLY),
    *append_only("audit_seal", name="seal", sentence="seals are append-only"),
    Trigger(
        "head_forward",
        "audit_chainhead",
        "UPDATE",
        "a chain only grows",
        "NEW.seq < OLD.seq OR NEW.sealed_seq < OLD.sealed_seq OR NEW.stream <> OLD.stream",
    ),
    Trigger("head_kept", "audit_chainhead", "DELETE", "a chain head is never deleted"),
]
