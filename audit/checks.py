"""System checks of the audit trail's footing."""

import sqlite3
from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections

from audit import triggers


@register(Tags.database)
def triggers_stand(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Report triggers that are declared but missing, or stand without being declared."""
    found: list[CheckMessage] = []
    for alias in databases or []:
        connection = connections[alias]
        if triggers.wanted(connection).keys() != triggers.installed(connection):
            found.append(
                Error(
                    f"The triggers in database '{alias}' are not the declared ones.",
                    hint="Run `manage.py migrate`; it installs them.",
                    id="audit.E001",
                )
            )
    return found


@register(Tags.database)
def sqlite_is_recent(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Refuse an SQLite too old for `IS DISTINCT FROM`, which the triggers use."""
    uses_sqlite = any(connections[alias].vendor == "sqlite" for alias in databases or [])
    if uses_sqlite and sqlite3.sqlite_version_info < (3, 39):
        return [
            Error(
                f"SQLite {sqlite3.sqlite_version} is too old.",
                hint="Use SQLite 3.39 or newer, or set DATABASE_URL to a PostgreSQL.",
                id="audit.E002",
            )
        ]
    return []
