"""Write many rows in one statement, and copy what changed into its history.

A statement per row is what a sweep of thousands of tickets would spend its time on.
"""

import json
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, models

from audit.history import CopiedRecords

# Of SQLite's parameters, which are limited; PostgreSQL gets all values as one.
_AT_ONCE = 500


def update_rows(rows: Sequence[models.Model], names: Collection[str]) -> None:
    """Store these fields of rows that the caller has locked, as they stand on the instances.

    Where the model keeps a history, how each row then looks is copied there.

    :param rows: of one model; none is no statement.
    """
    if not rows or not names:
        return
    meta: Any = rows[0]._meta  # noqa: SLF001  public in all but its name
    # The same order every time, so that the same fields make the same statement.
    fields = [meta.pk, *(meta.get_field(name) for name in sorted(names))]
    quote = connection.ops.quote_name
    changes = ", ".join(
        f"{quote(field.column)} = v.column{place}" for place, field in enumerate(fields[1:], 2)
    )
    table, given = values(fields, rows)
    named = quote(meta.db_table)
    with connection.cursor() as cursor:
        # Names of tables and columns come from the models, never from a caller.
        cursor.execute(
            f"UPDATE {named} SET {changes} FROM {table} "  # noqa: S608
            f"WHERE {named}.{quote(meta.pk.column)} = v.column1",
            given,
        )
    records = CopiedRecords.of(type(rows[0]))
    if records is not None:
        records.copy(rows, "~")


def insert_rows(rows: Sequence[models.Model]) -> None:
    """Store new rows of one model whose keys are known; no signal is sent."""
    if not rows:
        return
    model = type(rows[0])
    if connection.vendor != "postgresql":
        model._default_manager.bulk_create(rows, batch_size=_AT_ONCE)  # noqa: SLF001
        return
    meta: Any = model._meta  # noqa: SLF001
    fields = list(meta.concrete_fields)
    quote = connection.ops.quote_name
    table, given = values(fields, rows)
    columns = ", ".join(quote(field.column) for field in fields)
    found = ", ".join(f"v.column{place}" for place in range(1, len(fields) + 1))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {quote(meta.db_table)} ({columns}) SELECT {found} FROM {table}",  # noqa: S608
            given,
        )


def values(fields: Sequence[Any], rows: Sequence[models.Model]) -> tuple[str, list[Any]]:
    """Return a table `v` of these fields of rows as SQL, and its parameters."""
    if connection.vendor == "postgresql":
        types = [str(field.db_type(connection)) for field in fields]
        names = [field.attname for field in fields]
        return listed(types, [[getattr(row, name) for name in names] for row in rows])
    stored = [
        [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields]
        for row in rows
    ]
    return listed([""] * len(fields), stored)


def listed(types: Sequence[str], rows: Sequence[Sequence[Any]]) -> tuple[str, list[Any]]:
    """Return a table `v` with `column1` … of these values as SQL, and its parameters.

    :param types: of PostgreSQL; what is JSON there comes as it is, not as text.
    """
    if connection.vendor == "postgresql":
        names = [f"column{place}" for place in range(1, len(types) + 1)]
        columns = ", ".join(map(" ".join, zip(names, types, strict=True)))
        # One parameter: to find the place of each of thousands costs more than to write them.
        told = json.dumps([dict(zip(names, row, strict=True)) for row in rows], default=_plain)
        return f"json_to_recordset(%s::json) AS v({columns})", [told]
    one = "(" + ", ".join(["%s"] * len(types)) + ")"
    return f"(VALUES {', '.join([one] * len(rows))}) AS v", [value for row in rows for value in row]


def _plain(value: Any) -> Any:
    """Return what JSON does not know as a text that PostgreSQL reads as the same value."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"{value / timedelta(microseconds=1):.0f} microseconds"
    if isinstance(value, bytes | memoryview):
        return "\\x" + bytes(value).hex()
    return str(value)
